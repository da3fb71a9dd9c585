"""HTTP messages: valid requests, and which connections are kept."""

from email.utils import parsedate_to_datetime

import pytest

from tests.gate.echo import EchoServer
from tests.gate.gate_server import GateServer, good_pass
from tests.gate.raw_requests import POST, heard, refused
from tests.gate.wire import Wire, request_bytes
from tests.line.conftest import LoadSale


async def test_a_request_reaches_the_application_as_it_was_sent(echo: EchoServer) -> None:
    sent = (
        b"PATCH /a/%C3%BC/b?x=%20y&z HTTP/1.1\r\nHost: shop.example:80\r\nX-One:  a b\r\nx-ONE: c\r\nEmpty:\r\n"
        b"Content-Length: 3\r\n\r\nabc"
    )

    seen = await heard(echo, sent)

    assert (seen.method, seen.path, seen.raw_path, seen.query) == ("PATCH", "/a/ü/b", b"/a/%C3%BC/b", b"x=%20y&z")
    assert seen.headers == [
        (b"host", b"shop.example:80"), (b"x-one", b"a b"), (b"x-one", b"c"), (b"empty", b""), (b"content-length", b"3"),
    ]  # fmt: skip
    assert (seen.version, seen.body) == ("1.1", b"abc")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/%31", "/1"),
        (b"/a%2e%2e/b", "/a../b"),
        (b"/%2e%2e/%2E%2E/etc/passwd", "/../../etc/passwd"),
        (b"/a%2fb", "/a/b"),
        (b"/%00", "/\0"),
        (b"/bad%zz", "/bad%zz"),
        (b"/cut%4", "/cut%4"),
        (b"/%", "/%"),
        (b"/%E7%A5%A8", "/票"),
        (b"/%ff", "/\ufffd"),
        (b"//two", "//two"),
        (b"/a;b=c", "/a;b=c"),
        (b"/*", "/*"),
        (b"/?", "/"),
        (b"/a??b", "/a"),
        (b"http://b.example", "/"),
        (b"http://b.example/c%20d", "/c d"),
        (b"HTTP://b.example/c", "/c"),
    ],
)
async def test_paths_are_decoded_once(echo: EchoServer, target: bytes, path: str) -> None:
    seen = await heard(echo, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")

    assert seen.path == path


@pytest.mark.parametrize(
    ("target", "host", "query"),
    [
        (b"http://b.example/c?d", b"b.example", b"d"),
        (b"http://b.example:81/c?d", b"b.example:81", b"d"),
        (b"http://b.example?d", b"b.example", b"d"),
        (b"http://[::1]:81/c", b"[::1]:81", b""),
        (b"http://[::1]/c", b"[::1]", b""),
    ],
)
async def test_the_host_of_an_absolute_target_is_the_one_that_counts(
    echo: EchoServer, target: bytes, host: bytes, query: bytes
) -> None:
    """RFC 9112, 3.2.2."""
    seen = await heard(echo, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")

    assert [value for name, value in seen.headers if name == b"host"] == [host]
    assert seen.query == query


@pytest.mark.parametrize("prefix", ["", "http://127.0.0.1"])
async def test_the_gate_answers_however_its_address_is_spelled(
    gate_server: GateServer, load_sale: LoadSale, prefix: str
) -> None:
    load_sale()

    for path in ("/api/sales/7/progress", "/api/sales/%37/progress", "/%61pi/sales/7/progress?x=y"):
        assert (await gate_server.request("GET", prefix + path)).status_code == 200
    assert gate_server.app.passed_on == []


@pytest.mark.parametrize(
    "target",
    [
        b"",
        b"a",
        b"ftp://a/b",
        b"http://",
        b"http:///b",
        b"http://who@a/b",
        b"a:80",
        b"/\xfc",
        b"/\x7f",
        b"/a b",
        b"#a",
        b"?a",
    ],
)
async def test_a_target_that_is_no_address_is_refused(echo: EchoServer, target: bytes) -> None:
    assert await refused(echo, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n") == (400, "bad_request")


async def test_an_empty_line_before_a_request_is_skipped(echo: EchoServer) -> None:
    """RFC 9112, 2.2: old clients send one after a body."""
    async with await Wire.open(echo.port) as wire:
        wire.send(b"\r\n" + request_bytes("POST", "/", body=b"abc") + b"\r\n" + request_bytes("GET", "/"))
        assert [(await wire.answer()).text for _ in range(2)] == ["1 POST /", "2 GET /"]


async def test_a_post_that_closes_is_read_to_its_end(echo: EchoServer) -> None:
    assert (await heard(echo, request_bytes("POST", "/", {"connection": "close"}, b"abc"))).body == b"abc"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
async def test_all_methods_go_on_to_the_application(echo: EchoServer, method: str) -> None:
    async with await Wire.open(echo.port) as wire:
        wire.send(request_bytes(method, "/", {"connection": "close"}))
        answer = await wire.answer(method)
        assert answer.status_code == 200
        assert await wire.rest() == b""

    assert (len(answer.content) == 0) is (method == "HEAD")
    assert [seen.method for seen in echo.seen] == [method]


@pytest.mark.parametrize(
    "sent", [b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"]
)
async def test_what_is_for_proxies_or_for_the_server_as_a_whole_is_refused(echo: EchoServer, sent: bytes) -> None:
    assert await refused(echo, sent) == (400, "bad_request")


async def test_every_answer_is_dated(gate_server: GateServer, load_sale: LoadSale) -> None:
    load_sale()
    for answer in (
        await gate_server.progress(7),
        await gate_server.request("GET", "/"),
        await gate_server.purchase(7, "olga"),
    ):
        assert parsedate_to_datetime(answer.headers["date"]).tzinfo is not None


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        ("1.1", "", True),
        ("1.1", "keep-alive", True),
        ("1.1", "close", False),
        ("1.1", "Close", False),
        ("1.1", "keep-alive, close", False),
        ("1.0", "", False),
        ("1.0", "keep-alive", False),
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/sales/7/progress"], ids=["django", "gate"])
async def test_a_connection_is_kept_unless_the_client_wants_it_closed(
    gate_server: GateServer, load_sale: LoadSale, path: str, version: str, connection: str, kept: bool
) -> None:
    load_sale()
    headers = {"host": "127.0.0.1"} | ({"connection": connection} if connection else {})
    async with await Wire.open(gate_server.port) as wire:
        wire.send(request_bytes("GET", path, headers, version=version))
        first = await wire.answer()
        assert first["connection"] == (None if kept else "close")
        if kept:
            wire.send(request_bytes("GET", path, {"connection": "close"}))
            await wire.answer()
        assert await wire.rest() == b""


async def test_what_is_sent_after_a_close_is_not_answered(gate_server: GateServer, load_sale: LoadSale) -> None:
    """The parser is lenient here, so that bytes after the last request do not replace its response by an error."""
    sale = load_sale()
    buy = request_bytes("POST", "/api/sales/7/purchase", {"authorization": f"Bearer {good_pass(7, 'olga')}"})
    for first in (
        request_bytes("GET", "/", {"connection": "close"}),
        request_bytes("GET", "/api/sales/7/progress", {"connection": "close"}),
        request_bytes("GET", "/", version="1.0"),
    ):
        async with await Wire.open(gate_server.port) as wire:
            wire.send(first + buy)
            assert (await wire.answer()).status_code in (200, 418)
            assert await wire.rest() == b""

    assert sale.buyers_in_line() == []
    assert gate_server.app.passed_on == ["http /"] * 2


@pytest.mark.parametrize("path", ["/", "/api/sales/7/progress"], ids=["django", "gate"])
async def test_a_body_announced_after_a_close_is_neither_waited_for_nor_refused(
    gate_server: GateServer, load_sale: LoadSale, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    load_sale()
    first = request_bytes("GET", path, {"connection": "close"})
    for more in (
        request_bytes("POST", "/", {"content-length": "3", "expect": "100-continue"}),
        request_bytes("POST", "/", {"content-length": str(2**40)}),
        b"nonsense\r\n\r\n",
        POST + b"Transfer-Encoding: gzip\r\n\r\n",
    ):
        async with await Wire.open(gate_server.port) as wire:
            wire.send(first + more)
            assert (await wire.answer()).status_code in (200, 418)
            assert await wire.rest() == b""
    assert caplog.records == []


@pytest.mark.parametrize(
    "upgrade",
    [
        {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-key": "x" * 24, "sec-websocket-version": "13"},
        {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABk"},
        {"connection": "Upgrade", "upgrade": "TLS/1.0"},
    ],
    ids=["websocket", "h2c", "tls"],
)
@pytest.mark.parametrize(("path", "status"), [("/", 418), ("/api/sales/7/progress", 200)], ids=["django", "gate"])
async def test_an_upgrade_is_answered_as_any_request(
    gate_server: GateServer,
    load_sale: LoadSale,
    caplog: pytest.LogCaptureFixture,
    upgrade: dict[str, str],
    path: str,
    status: int,
) -> None:
    load_sale()
    async with await Wire.open(gate_server.port) as wire:
        wire.send(request_bytes("GET", path, upgrade) + b"\x81\x05hello" + request_bytes("GET", "/another"))
        answer = await wire.answer()
        assert (answer.status_code, answer["connection"]) == (status, "close")
        assert await wire.rest() == b""

    assert gate_server.app.passed_on == (["http /"] if path == "/" else [])
    assert caplog.records == []


async def test_the_preface_of_http_2_is_refused(echo: EchoServer) -> None:
    assert await refused(echo, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == (400, "bad_request")
