"""Pipelining: requests sent before a response wait, within limits, and are answered in order."""

import asyncio

import pytest
import redis

from devtools.waiting import wait_until_async
from seckill.gate import clients, protocol, reader, snapshots
from seckill.gate.asgi import Receive, Scope, Send
from seckill.gate.protocol import Connection
from tests.gate.echo import EchoServer
from tests.gate.gate_server import GateServer, good_pass, held, hold_writes, problem, release_writes
from tests.gate.visitor import Visit
from tests.gate.wire import Wire, request_bytes
from tests.line.conftest import LoadSale

END = {"connection": "close"}


def buy(buyer: str) -> bytes:
    return request_bytes("POST", "/api/sales/7/purchase", {"authorization": f"Bearer {good_pass(7, buyer)}"})


PROGRESS = request_bytes("GET", "/api/sales/7/progress")


async def test_hot_and_other_requests_are_answered_in_order_on_one_connection(
    gate_server: GateServer, load_sale: LoadSale
) -> None:
    sale = load_sale()
    async with await Wire.open(gate_server.port) as wire:
        wire.send(
            request_bytes("GET", "/one") + buy("olga") + request_bytes("HEAD", "/two") + PROGRESS + buy("amir")
            + request_bytes("POST", "/three", body=b"x" * 100) + request_bytes("GET", "/api/tickets/forged", END)
        )  # fmt: skip
        methods = ["GET", "POST", "HEAD", "GET", "POST", "POST", "GET"]
        answers = [await wire.answer(method) for method in methods]
        assert await wire.rest() == b""

    assert [answer.status_code for answer in answers] == [418, 202, 418, 200, 202, 418, 404]
    assert [answers[index].json()["place"] for index in (1, 4)] == [1, 2]
    assert gate_server.app.passed_on == ["http /one", "http /two", "http /three"]
    assert sale.buyers_in_line() == ["olga", "amir"]


async def test_what_follows_a_purchase_waits_for_its_place(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    sale = load_sale()
    await gate_server.purchase(7, "first")
    hold_writes(server)
    async with await Wire.open(gate_server.port) as wire:
        wire.send(buy("olga") + request_bytes("GET", "/") + buy("olga"))
        await wait_until_async("the server holds a connection", lambda: held(server) == 1)
        assert gate_server.app.passed_on == []

        release_writes(server)

        assert [(await wire.answer()).status_code for _ in range(3)] == [202, 418, 202]
    assert sale.buyers_in_line() == ["first", "olga"]


@pytest.mark.parametrize("extra", [0, 1])
async def test_so_many_may_wait_behind_one_and_no_more(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis, extra: int
) -> None:
    load_sale()
    await gate_server.purchase(7, "first")
    hold_writes(server)
    async with await Wire.open(gate_server.port) as wire:
        wire.send(buy("olga") + request_bytes("GET", "/") * (reader.PIPELINED_MAX + extra))
        await wait_until_async("the server holds a connection", lambda: held(server) == 1)
        release_writes(server)

        answers = [await wire.answer() for _ in range(1 + reader.PIPELINED_MAX + extra)]

        assert [answer.status_code for answer in answers] == [202] + [418] * reader.PIPELINED_MAX + [503] * extra
        if extra:
            assert problem(answers[-1]) == (503, "unavailable")
            assert answers[-1].headers["connection"] == "close"
            assert await wire.rest() == b""


async def test_any_number_may_follow_one_another(echo: EchoServer) -> None:
    async with await Wire.open(echo.port) as wire:
        for start in range(0, 3000, reader.PIPELINED_MAX):
            numbers = range(start, start + reader.PIPELINED_MAX)
            wire.send(b"".join(request_bytes("GET", f"/{number}") for number in numbers))
            for number in numbers:
                assert (await wire.answer()).text == f"{number + 1} GET /{number}"


async def test_a_request_refused_behind_a_pending_one_is_answered_after_it(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    sale = load_sale()
    await gate_server.purchase(7, "first")
    hold_writes(server)
    async with await Wire.open(gate_server.port) as wire:
        wire.send(buy("olga") + request_bytes("GET", "/") + b"GET nonsense\r\n\r\n" + buy("amir"))
        await wait_until_async("the server holds a connection", lambda: held(server) == 1)
        release_writes(server)

        answers = [await wire.answer() for _ in range(3)]

        assert [answer.status_code for answer in answers] == [202, 418, 400]
        assert [answer["connection"] for answer in answers] == [None, None, "close"]
        assert await wire.rest() == b""
    assert sale.buyers_in_line() == ["first", "olga"]


async def test_a_body_behind_a_pending_request_may_not_be_waited_for(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    """The client would take a 100 Continue in the middle for the response to the first request."""
    load_sale()
    await gate_server.purchase(7, "first")
    hold_writes(server)
    async with await Wire.open(gate_server.port) as wire:
        wire.send(buy("olga") + request_bytes("POST", "/", {"content-length": "3", "expect": "100-continue"}))
        await wait_until_async("the server holds a connection", lambda: held(server) == 1)
        wire.send(b"abc")
        release_writes(server)

        assert [(await wire.answer()).status_code for _ in range(2)] == [202, 418]


# --- Clients that disconnect ----------------------------------------------------------------------------------------

REQUEST = buy("olga")


async def test_who_leaves_while_a_purchase_is_written_keeps_the_place(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    sale = load_sale()
    await gate_server.purchase(7, "first")
    hold_writes(server)
    async with await Wire.open(gate_server.port) as wire:
        wire.send(buy("olga"))
        await wait_until_async("the server holds a connection", lambda: held(server) == 1)
        wire.hang_up()
    release_writes(server)

    assert (await gate_server.purchase(7, "bea")).json()["place"] == 3
    assert sale.buyers_in_line() == ["first", "olga", "bea"]
    await wait_until_async("gate_server.unanswered() == 0", lambda: gate_server.unanswered() == 0)


async def test_who_sends_nothing_more_still_gets_what_they_asked_for(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    load_sale()
    await gate_server.purchase(7, "first")
    hold_writes(server)
    async with await Wire.open(gate_server.port) as wire:
        wire.send(buy("olga"))
        await wait_until_async("the server holds a connection", lambda: held(server) == 1)
        wire.send_end()
        release_writes(server)

        assert (await wire.answer()).json()["place"] == 2
        assert await wire.rest() == b""  # and the server closes the connection


async def test_who_leaves_while_others_of_their_requests_wait_disturbs_nobody(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    """Nothing is read from the client meanwhile, so the disconnect is noticed on the next write."""
    sale = load_sale()
    await gate_server.purchase(7, "first")
    hold_writes(server)
    async with await Wire.open(gate_server.port) as wire:
        wire.send(buy("olga") + request_bytes("GET", "/") * reader.PIPELINED_MAX)
        await wait_until_async("the server holds a connection", lambda: held(server) == 1)
        wire.hang_up()
    release_writes(server)

    assert (await gate_server.purchase(7, "bea")).json()["place"] == 3
    await wait_until_async(
        "len(gate_server.application.clients._clients) == 1", lambda: len(gate_server.application.clients._clients) == 1
    )
    assert sale.buyers_in_line() == ["first", "olga", "bea"]


async def test_who_ends_right_behind_a_request_that_is_answered_at_once_is_answered(
    gate_server: GateServer, load_sale: LoadSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 60)
    load_sale()
    await gate_server.progress(7)
    async with await Wire.open(gate_server.port) as wire:
        wire.send(PROGRESS)
        wire.send_end()
        assert (await wire.answer()).status_code == 200
        assert await wire.rest() == b""


# --- Clients that do not read ---------------------------------------------------------------------------------------


async def test_who_does_not_read_is_not_written_to_without_bound(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each response is large and cached, so only the client's reading slows the server down."""
    monkeypatch.setattr(clients, "CHECK_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(clients, "READING_SECONDS", 3600)
    picture = b"p" * 256 * 1024

    async def shop(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 (an ASGI application)
        headers = [(b"content-length", b"%d" % len(picture)), (b"cache-control", b"public, max-age=60, immutable")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": picture})

    visitor = await visit(shop)
    await visitor.get("/picture")
    get = request_bytes("GET", "/picture")
    async with await Wire.open(visitor.port, receive_bytes=16 * 1024) as wire:
        wire.send(get * 1000)
        connections = visitor.application.clients._clients
        [connection] = await wait_until_async(
            "[one for one in connections if one.paused_since is not None]",
            lambda: [one for one in connections if one.paused_since is not None],
        )
        assert isinstance(connection, protocol.Connection)
        assert connection.transport.get_write_buffer_size() <= 2 * len(picture)
        assert len(connection._waiting) <= reader.PIPELINED_MAX + 1  # the refusal of all further requests

        for _ in range(5):  # a client that reads slowly is sent slowly
            assert (await wire.answer()).content == picture
            assert connection.transport.get_write_buffer_size() <= 2 * len(picture)

        monkeypatch.setattr(clients, "READING_SECONDS", 0.2)
        await wait_until_async("not connections", lambda: not connections)  # then the server stops
        assert not connection._waiting


async def test_who_reads_late_gets_everything_in_order(visit: Visit) -> None:
    async def shop(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 (an ASGI application)
        body = str(scope["path"]).encode().ljust(200_000)
        headers = [(b"content-length", b"%d" % len(body)), (b"cache-control", b"public, max-age=60, immutable")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    visitor = await visit(shop)
    paths = [f"/{number % 7}" for number in range(30)]
    async with await Wire.open(visitor.port, receive_bytes=16 * 1024) as wire:
        wire.send(b"".join(request_bytes("GET", path) for path in paths))
        await wait_until_async(
            "[one for one in visitor.application.clients._clients if one.paused_since is not None]",
            lambda: [one for one in visitor.application.clients._clients if one.paused_since is not None],
        )

        answers = [(await wire.answer()).text.strip() for _ in paths]

    assert answers == paths


async def test_others_are_answered_while_somebody_does_not_read(visit: Visit) -> None:
    async def shop(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 (an ASGI application)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": scope["path"] == "/endless"})
            if scope["path"] != "/endless":
                return

    visitor = await visit(shop)
    async with await Wire.open(visitor.port, receive_bytes=16 * 1024) as wire:
        wire.send(request_bytes("GET", "/endless"))
        clients_now = visitor.application.clients._clients
        [connection] = await wait_until_async(
            "[one for one in clients_now if one.paused_since is not None]",
            lambda: [one for one in clients_now if one.paused_since is not None],
        )
        for _ in range(3):
            assert len((await visitor.get("/")).content) == 65536
        assert isinstance(connection, protocol.Connection)
        assert connection.transport.get_write_buffer_size() < 4 * 65536
        [endless] = connection.tasks
        endless.cancel()
        await asyncio.wait([endless])


async def test_others_have_their_turn_between_the_reads_of_a_client_that_sends_very_many(
    gate_server: GateServer,
) -> None:
    """Each read is a turn of its own, and too many requests in one read end the connection."""
    poll = request_bytes("GET", "/api/tickets/made-up")
    async with await Wire.open(gate_server.port) as wire:
        wire.send(poll * reader.AT_ONCE_MAX)
        for _ in range(reader.AT_ONCE_MAX):
            assert (await wire.answer()).status_code == 404
        await wait_until_async(
            "not client_of(gate_server).flow.read_paused", lambda: not client_of(gate_server).flow.read_paused
        )
        wire.send(poll * (reader.AT_ONCE_MAX + 1))
        for _ in range(reader.AT_ONCE_MAX):
            assert (await wire.answer()).status_code == 404
        assert problem(await wire.answer()) == (503, "unavailable")


def client_of(gate_server: GateServer) -> Connection:
    """Return the only connection."""
    (client,) = gate_server.application.clients._clients
    assert isinstance(client, Connection)
    return client
