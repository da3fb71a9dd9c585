"""A request with the same bytes as the previous one is not parsed again, and is handled like any other."""

import asyncio

import pytest

from devtools.waiting import wait_until_async
from seckill.gate import protocol, reader, snapshots
from seckill.gate.application import Application
from seckill.gate.asgi import Receive, Scope, Send
from seckill.line.tickets import Ticket
from tests.gate.echo import EchoServer
from tests.gate.gate_server import GateServer, open_server
from tests.gate.wire import Wire
from tests.line.conftest import LoadSale

GET = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Record the targets of all requests that are parsed."""
    targets: list[bytes] = []
    parse = protocol.Connection.on_url

    def on_url(self: protocol.Connection, url: bytes) -> None:
        targets.append(url)
        parse(self, url)

    monkeypatch.setattr(protocol.Connection, "on_url", on_url)
    return targets


async def test_an_application_sees_each_of_them(echo: EchoServer, parsed: list[bytes]) -> None:
    async with await Wire.open(echo.port) as wire:
        for number in range(1, 4):
            wire.send(GET)
            assert (await wire.answer()).text == f"{number} GET /a"

    assert [(seen.path, seen.query, seen.headers, seen.body) for seen in echo.seen] == [
        ("/a", b"b", [(b"host", b"a")], b"")
    ] * 3
    assert parsed == [b"/a?b"]


async def test_a_poll_is_answered_as_the_line_stands_now(
    gate_server: GateServer, load_sale: LoadSale, parsed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 0)
    sale = load_sale(stock=1)
    sale.admit("olga", "amir")
    path = f"/api/tickets/{Ticket(7, 2, 'amir', 1).sign()}"
    poll = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    async with await Wire.open(gate_server.port) as wire:
        wire.send(poll)
        assert (await wire.answer()).json()["ahead"] == 1
        sale.confirm_all(sale.reserve_places("c1", upto=1))
        wire.send(poll)
        assert (await wire.answer()).json()["status"] == "waitlisted"

    assert parsed == [path.encode()]


async def test_one_behind_another_waits_for_its_turn(echo: EchoServer) -> None:
    async with await Wire.open(echo.port) as wire:
        wire.send(GET)
        assert (await wire.answer()).text == "1 GET /a"
        wire.send(GET + GET + GET)
        assert [(await wire.answer()).text for _ in range(3)] == ["2 GET /a", "3 GET /a", "4 GET /a"]


async def test_the_same_bytes_in_a_body_are_a_body(echo: EchoServer) -> None:
    begin = b"POST /c HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(GET)
    async with await Wire.open(echo.port) as wire:
        wire.send(GET)
        assert (await wire.answer()).status_code == 200
        wire.send(begin)
        assert (await wire.answer()).status_code == 100  # so that the body is a separate read
        wire.send(GET)
        assert (await wire.answer()).text == "2 POST /c"
        wire.send(GET)
        assert (await wire.answer()).text == "3 GET /a"

    assert [seen.body for seen in echo.seen] == [b"", GET, b""]


async def test_the_same_bytes_within_a_header_are_no_request(echo: EchoServer) -> None:
    async with await Wire.open(echo.port) as wire:
        wire.send(GET)
        assert (await wire.answer()).status_code == 200
        wire.send(b"GET /d HTTP/1.1\r\nX: ")
        await wire.sent()
        await wait_until_async(
            "any((client.is_reading for client in echo.application.clients._clients))",
            lambda: any(client.is_reading for client in echo.application.clients._clients),
        )
        wire.send(GET)
        assert (await wire.answer()).text == "2 GET /d"

    assert echo.seen[1].headers == [(b"x", b"GET /a?b HTTP/1.1"), (b"host", b"a")]


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
        b"GET /a HTTP/1.1\r\nHost: a\r\nX: " + b"x" * reader.REPEATED_BYTES_MAX + b"\r\n\r\n",
        GET.replace(b"?b", b"") + GET.replace(b"?b", b""),
    ],
    ids=["another method", "a body", "large", "two at once"],
)
async def test_others_are_parsed_each_time(echo: EchoServer, parsed: list[bytes], sent: bytes) -> None:
    requests = sent.count(b"HTTP/1.1")
    async with await Wire.open(echo.port) as wire:
        for _ in range(2):
            wire.send(sent)
            for _ in range(requests):
                assert (await wire.answer()).status_code == 200

    assert parsed == [b"/a"] * 2 * requests


async def test_one_that_was_cut_in_two_is_not_taken_for_its_second_part(echo: EchoServer) -> None:
    async with await Wire.open(echo.port) as wire:
        wire.send(GET[:9])
        await wait_until_async(
            "any((client.is_reading for client in echo.application.clients._clients))",
            lambda: any(client.is_reading for client in echo.application.clients._clients),
        )
        wire.send(GET[9:])
        assert (await wire.answer()).text == "1 GET /a"
        wire.send(GET[9:])
        assert (await wire.answer()).status_code == 400


async def test_one_that_came_in_pieces_does_not_take_the_place_of_the_one_before(echo: EchoServer) -> None:
    async with await Wire.open(echo.port) as wire:
        wire.send(GET)
        assert (await wire.answer()).text == "1 GET /a"
        wire.send(b"GET /e HTTP/1.1\r\n")
        await wait_until_async(
            "any((client.is_reading for client in echo.application.clients._clients))",
            lambda: any(client.is_reading for client in echo.application.clients._clients),
        )
        wire.send(b"Host: a\r\n\r\n")
        assert (await wire.answer()).text == "2 GET /e"
        wire.send(GET)
        assert (await wire.answer()).text == "3 GET /a"


class Slow:
    """An application that empties its list of headers, and responds when the test says so."""

    def __init__(self) -> None:
        self.headers: list[list[tuple[bytes, bytes]]] = []
        self.answers = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self.headers.append(list(scope["headers"]))
        scope["headers"].clear()
        number = b"%d" % len(self.headers)
        await self.answers.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": number})


async def test_one_behind_a_pending_one_waits_and_has_its_own_headers() -> None:
    slow = Slow()
    application = Application(slow)
    async with open_server(application) as port, await Wire.open(port) as wire:
        wire.send(GET)
        await wait_until_async("slow.headers", lambda: slow.headers)
        [client] = application.clients._clients
        wire.send(GET)
        assert isinstance(client, protocol.Connection)
        await wait_until_async("client._waiting", lambda: client._waiting)
        slow.answers.set()
        assert [(await wire.answer()).content for _ in range(2)] == [b"1", b"2"]
        wire.send(GET)
        assert (await wire.answer()).content == b"3"
    assert slow.headers == [[(b"host", b"a")]] * 3
