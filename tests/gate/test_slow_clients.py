"""Slow clients, too many clients, and shutdown: deadlines and limits of connections."""

import asyncio
import gc
import resource
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import pytest
import pytest_asyncio
import redis

from devtools.waiting import wait_until_async
from seckill.gate import clients
from seckill.gate.asgi import AsgiApplication, Receive, Scope, Send
from tests.gate.gate_server import (
    GateServer,
    good_pass,
    held,
    hold_writes,
    open_gate_server,
    problem,
    release_writes,
)
from tests.gate.wire import WAIT_SECONDS_MAX, Wire, request_bytes
from tests.line.conftest import LoadSale

SHORT = 0.2  # seconds
LONG = 3600.0
DEADLINES = ("HEADERS_SECONDS", "BODY_SECONDS", "KEEP_ALIVE_SECONDS", "READING_SECONDS", "LINGER_SECONDS")
HALF = b"GET / HTTP/1.1\r\nHost: a\r\nX"
HALF_BODY = request_bytes("POST", "/", {"content-length": "3"}) + b"ab"


@pytest.fixture
def _no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check clients continuously, with no deadline."""
    monkeypatch.setattr(clients, "CHECK_INTERVAL_SECONDS", 0.01)
    for name in DEADLINES:
        monkeypatch.setattr(clients, name, LONG)


@pytest_asyncio.fixture
async def gate_server(patient: None, _no_deadline: None) -> AsyncIterator[GateServer]:  # noqa: ARG001 (opened while they hold)
    async with open_gate_server() as gate_server:
        yield gate_server


async def until_looked_at(gate_server: GateServer) -> None:
    """Wait until each client was checked after now."""
    for _ in range(3):
        now = gate_server.application.clients.now
        await wait_until_async("the clock moves on", partial(_is_later, gate_server, now))


def _is_later(gate_server: GateServer, now: float) -> bool:
    return gate_server.application.clients.now > now


# --- Deadlines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deadline", "sent"),
    [
        ("HEADERS_SECONDS", b"G"),
        ("HEADERS_SECONDS", HALF),
        ("BODY_SECONDS", HALF_BODY),
        ("BODY_SECONDS", request_bytes("POST", "/", {"transfer-encoding": "chunked"}) + b"3\r\na"),
    ],
    ids=["line", "headers", "sized body", "chunked body"],
)
async def test_a_request_that_does_not_come_to_its_end_is_refused(
    gate_server: GateServer, monkeypatch: pytest.MonkeyPatch, deadline: str, sent: bytes
) -> None:
    async with await Wire.open(gate_server.port) as wire:
        wire.send(request_bytes("GET", "/") + sent)
        assert (await wire.answer()).status_code == 418
        await until_looked_at(gate_server)

        monkeypatch.setattr(clients, deadline, SHORT)
        monkeypatch.setattr(clients, "LINGER_SECONDS", SHORT)

        answer = await wire.answer()
        assert problem(answer) == (408, "request_timeout")
        assert answer["connection"] == "close"
        assert await wire.rest() == b""
        await wait_until_async("all clients have left", lambda: not gate_server.application.clients._clients)
    assert gate_server.application.clients._body_bytes == 0
    assert gate_server.app.passed_on == ["http /"]


async def test_a_byte_now_and_then_does_not_put_the_deadline_off(
    gate_server: GateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "HEADERS_SECONDS", SHORT)

    async def trickle(wire: Wire) -> None:
        wire.send(HALF)
        while True:
            wire.send(b"x")
            await asyncio.sleep(0.01)

    async with await Wire.open(gate_server.port) as wire:
        trickling = asyncio.create_task(trickle(wire))
        assert problem(await wire.answer()) == (408, "request_timeout")
        trickling.cancel()
        await asyncio.wait([trickling])


@pytest.mark.parametrize("sent", [b"", request_bytes("GET", "/")], ids=["new", "used"])
async def test_an_idle_connection_is_closed_in_the_end(
    gate_server: GateServer, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    async with await Wire.open(gate_server.port) as wire:
        wire.send(sent)
        if sent:
            await wire.answer()
        await wait_until_async(
            "len(gate_server.application.clients._clients) == 1",
            lambda: len(gate_server.application.clients._clients) == 1,
        )
        await until_looked_at(gate_server)
        assert len(gate_server.application.clients._clients) == 1

        monkeypatch.setattr(clients, "KEEP_ALIVE_SECONDS", SHORT)

        assert await wire.rest() == b""  # no response, because there was no request


async def test_whoever_waits_for_an_answer_is_under_no_deadline(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_sale()
    await gate_server.purchase(7, "first")
    hold_writes(server)
    waiting = await gate_server.line_up([gate_server.purchase(7, "olga")])
    await wait_until_async("the server holds a connection", lambda: held(server) == 1)
    for name in DEADLINES:
        monkeypatch.setattr(clients, name, 0)
    await until_looked_at(gate_server)
    release_writes(server)

    assert (await waiting[0]).json()["place"] == 2


async def test_who_goes_on_sending_after_a_refusal_is_cut_off(
    gate_server: GateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "LINGER_SECONDS", SHORT)

    async def pour(wire: Wire) -> None:
        while True:
            wire.send(b"x" * 1000)
            await wire.sent()
            await asyncio.sleep(0)

    async with await Wire.open(gate_server.port) as wire:
        wire.send(request_bytes("POST", "/", {"content-length": str(2**40)}))
        pouring = asyncio.create_task(pour(wire))
        assert problem(await wire.answer()) == (413, "too_large")
        await wait_until_async("all clients have left", lambda: not gate_server.application.clients._clients)
        pouring.cancel()
        await asyncio.wait([pouring])
    assert gate_server.application.clients._body_bytes == 0


async def test_a_refused_client_has_time_to_read_why(gate_server: GateServer) -> None:
    async with await Wire.open(gate_server.port) as wire:
        wire.send(b"nonsense\r\n\r\n")
        await wait_until_async(
            "[one for one in gate_server.application.clients._clients if one.is_last]",
            lambda: [one for one in gate_server.application.clients._clients if one.is_last],
        )
        wire.send(b"x" * 100_000)  # this would reset a closed connection and discard the response
        await wire.sent()
        await until_looked_at(gate_server)

        assert problem(await wire.answer()) == (400, "bad_request")


# --- Limits ---------------------------------------------------------------------------------------------------------


async def test_two_thousand_slow_connections_hold_up_nobody(
    gate_server: GateServer, load_sale: LoadSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_sale()
    beginnings = (b"", b"G", HALF, HALF_BODY)
    slow = [await Wire.open(gate_server.port) for _ in range(2000)]
    try:
        for number, wire in enumerate(slow):
            wire.send(beginnings[number % 4])
        await wait_until_async(
            "gate_server.application.clients._body_bytes == 2 * 500",
            lambda: gate_server.application.clients._body_bytes == 2 * 500,
        )

        assert (await gate_server.purchase(7, "olga")).json()["place"] == 1
        assert (await gate_server.request("GET", "/")).status_code == 418

        for name in DEADLINES:
            monkeypatch.setattr(clients, name, SHORT)
        await wait_until_async("all clients have left", lambda: not gate_server.application.clients._clients)
    finally:
        for wire in slow:
            wire.hang_up()
    assert gate_server.application.clients._body_bytes == 0


async def test_clients_in_excess_get_retry_after(gate_server: GateServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_server.application.clients, "_clients_max", 2)
    async with await Wire.open(gate_server.port) as first, await Wire.open(gate_server.port) as second:
        for wire in (first, second):
            wire.send(request_bytes("GET", "/"))
            assert (await wire.answer()).status_code == 418
        for _ in range(3):
            async with await Wire.open(gate_server.port) as third:
                answer = await third.answer()
                assert problem(answer) == (503, "unavailable")
                assert (answer["connection"], answer["retry-after"]) == ("close", "2")
                assert await third.rest() == b""
        first.hang_up()
        await wait_until_async(
            "len(gate_server.application.clients._clients) == 1",
            lambda: len(gate_server.application.clients._clients) == 1,
        )

        async with await Wire.open(gate_server.port) as fourth:
            fourth.send(request_bytes("GET", "/"))
            assert (await fourth.answer()).status_code == 418


@pytest.mark.parametrize("sent", [b"", HALF_BODY, request_bytes("GET", "/")], ids=["new", "half a body", "used"])
async def test_nothing_is_kept_of_a_connection_that_was_reset(gate_server: GateServer, sent: bytes) -> None:
    async with await Wire.open(gate_server.port) as wire:
        wire.send(sent)
        if sent.startswith(b"GET"):
            await wire.answer()
        known = gate_server.application.clients._clients
        gone = weakref.ref(await wait_until_async("next(iter(known), None)", lambda: next(iter(known), None)))
        wire.hang_up()
        await wait_until_async("not known", lambda: not known)

    def is_freed() -> bool:
        gc.collect()
        return gone() is None

    await wait_until_async("is_freed", is_freed)  # the event loop drops it one turn later
    assert gate_server.application.clients._body_bytes == 0


async def test_a_process_takes_as_many_clients_as_it_may_have_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert clients.Clients()._clients_max == 1024 - clients.OTHER_FILES
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    assert clients.Clients()._clients_max == clients.CLIENTS_MAX


# --- Shutdown -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_no_deadline")
async def test_a_process_that_ends_answers_what_is_under_way_and_closes_the_rest(
    patient: None,  # noqa: ARG001 (opened while it holds)
    load_sale: LoadSale,
    server: redis.Redis,
) -> None:
    sale = load_sale()
    idle: list[Wire] = []

    async def serve() -> list[asyncio.Task[tuple[int, str | None, bytes]]]:
        async with open_gate_server() as gate_server:
            await gate_server.purchase(7, "first")
            hold_writes(server)
            gate_server.close()
            await wait_until_async("all clients have left", lambda: not gate_server.application.clients._clients)
            idle.extend([await Wire.open(gate_server.port) for _ in range(3)])
            await wait_until_async(
                "len(gate_server.application.clients._clients) == 3",
                lambda: len(gate_server.application.clients._clients) == 3,
            )
            wires = [await Wire.open(gate_server.port) for _ in range(5)]
            for number, wire in enumerate(wires):
                wire.send(buy(f"b{number}"))
                await wait_until_async(
                    "partial(_answers, gate_server, number + 1)", partial(_answers, gate_server, number + 1)
                )
            buying = [asyncio.create_task(read(wire)) for wire in wires]
            asyncio.get_running_loop().call_later(0.2, release_writes, server)  # while the process shuts down
            return buying

    async with asyncio.timeout(WAIT_SECONDS_MAX):
        bought = [await one for one in await serve()]

    assert bought == [(202, "close", b"")] * 5
    assert sale.buyers_in_line() == ["first", "b0", "b1", "b2", "b3", "b4"]
    for wire in idle:
        assert await wire.rest() == b""
        wire.hang_up()


def _answers(gate_server: GateServer, count: int) -> bool:
    return gate_server.unanswered() == count


def buy(buyer: str) -> bytes:
    return request_bytes("POST", "/api/sales/7/purchase", {"authorization": f"Bearer {good_pass(7, buyer)}"})


async def read(wire: Wire) -> tuple[int, str | None, bytes]:
    async with wire:
        answer = await wire.answer()
        return answer.status_code, answer["connection"], await wire.rest()


@dataclass
class Closing:
    """A connection to be closed once its client has read everything; the client reads nothing.

    The kernel buffers megabytes before the server notices that a client does not read; here only the server's buffer
    counts.
    """

    since: float
    is_closing = True
    is_answering = True
    is_reading = has_headers = is_last = False
    paused_since: float | None = None
    ended: list[str] = field(default_factory=list)

    def time_out(self) -> None:
        self.ended.append("time_out")

    def close(self) -> None:
        self.ended.append("close")

    def abort(self) -> None:
        self.ended.append("abort")


async def test_a_closed_connection_that_is_never_read_is_cut() -> None:
    early, late = Closing(since=100.0), Closing(since=101.0)
    for client in (early, late):
        clients._check(client, 101.0 + clients.READING_SECONDS)

    assert (early.ended, late.ended) == (["abort"], [])


async def test_a_body_is_counted_until_its_request_is_answered(gate_server: GateServer) -> None:
    """Django may hold a body for long, so bytes of an unanswered request count as memory, too."""
    async with await Wire.open(gate_server.port) as wire:
        stay = asyncio.Event()
        gate_server.application.public._django = _held_by(stay)
        wire.send(request_bytes("POST", "/", body=b"x" * 1000))
        await wait_until_async("gate_server.unanswered() == 1", lambda: gate_server.unanswered() == 1)
        assert gate_server.application.clients._body_bytes == 1000
        stay.set()
        assert (await wire.answer("POST")).status_code == 204
    assert gate_server.application.clients._body_bytes == 0


def _held_by(stay: asyncio.Event) -> AsgiApplication:
    async def django(_scope: Scope, _receive: Receive, send: Send) -> None:
        await stay.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    return django
