"""HTTP on the wire, by the standards and against attacks: one request at a time."""

from email.utils import parsedate_to_datetime

import pytest

from seckill.gate import protocol
from tests.gate.echo import Echo, EchoServer
from tests.gate.gate_server import GateServer, good_pass, problem, read_json
from tests.gate.wire import Wire, request_bytes
from tests.line.conftest import LoadSale

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
END = b"\r\n"


async def refused(server: EchoServer, sent: bytes) -> tuple[int, str]:
    """Return status and code of the only response to these bytes. The application must not be called."""
    async with await Wire.open(server.port) as wire:
        wire.send(sent)
        answer = await wire.answer()
        assert answer["connection"] == "close"
        assert answer["date"]
        assert await wire.rest() == b""
    assert server.seen == []
    return problem(answer)


async def heard(server: EchoServer, sent: bytes) -> Echo:
    """Return the request the application received, the only one in these bytes."""
    async with await Wire.open(server.port) as wire:
        wire.send(sent)
        assert (await wire.answer()).status_code == 200
    [echo] = server.seen
    return echo


# --- Valid requests -------------------------------------------------------------------------------------------------


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


# --- Keep-alive -----------------------------------------------------------------------------------------------------


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


# --- Malformed messages ---------------------------------------------------------------------------------------------

NOT_HTTP = {
    "nonsense": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    "lower case": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "version 0.9": b"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
    "version 2": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "version 1.2": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "another protocol": b"GET / SHOP/1.1\r\nHost: a\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "Host twice": GET + b"Host: a\r\n\r\n",
    "two Hosts": GET + b"Host: b\r\n\r\n",
    "LF in the line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "LF in headers": b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "LF at the end": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    "CR in a value": GET + b"X: a\rb\r\n\r\n",
    "CR in a name": GET + b"X\r: a\r\n\r\n",
    "CR at the end": GET + b"\rX",
    "NUL in a value": GET + b"X: a\0b\r\n\r\n",
    "NUL in a name": GET + b"X\0: a\r\n\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "obs-fold": GET + b"X: a\r\n b\r\n\r\n",
    "obs-fold with a tab": GET + b"X: a\r\n\tb\r\n\r\n",
    "a folded first line": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "blank before a colon": GET + b"X : a\r\n\r\n",
    "no colon": GET + b"X\r\n\r\n",
    "no name": GET + b": a\r\n\r\n",
    "brackets in a name": GET + b"(X): a\r\n\r\n",
}


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP.keys())
async def test_what_is_not_quite_http_is_refused(echo: EchoServer, sent: bytes) -> None:
    assert await refused(echo, sent) == (400, "bad_request")


FRAMING = {
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two other lengths": POST + b"Content-Length: 3\r\nContent-Length: 2\r\n\r\nabc",
    "a list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "no number": POST + b"Content-Length: x\r\n\r\n",
    "no length": POST + b"Content-Length:\r\n\r\n",
    "plus": POST + b"Content-Length: +3\r\n\r\nabc",
    "minus": POST + b"Content-Length: -3\r\n\r\nabc",
    "hexadecimal": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "with a blank": POST + b"Content-Length: 1 2\r\n\r\nabc",
    "more than 64 bits": POST + b"Content-Length: 18446744073709551617\r\n\r\na",
    "length and coding": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "coding twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "gzip": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked first": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "no coding": POST + b"Transfer-Encoding:\r\n\r\n",
    "quoted": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "with a parameter": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "blank before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded length": b"POST / HTTP/1.1\r\nHost: a\r\n Content-Length: 3\r\n\r\nabc",
    "an empty part": POST + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
    "another blank behind": POST + b"Transfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n",
    "another blank in front": POST + b"Transfer-Encoding: \x85chunked\r\n\r\n0\r\n\r\n",
    "a blank in the name": POST + b"Transfer-Encoding\xa0: chunked\r\n\r\n0\r\n\r\n",
    "hidden behind a CR": POST + b"X-Abc: \rxTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n0\r\n\r\n",
    "blank and length": POST + b"Content-Length : 3\r\n\r\nabc",
}


@pytest.mark.parametrize("sent", FRAMING.values(), ids=FRAMING.keys())
async def test_where_a_message_ends_is_never_guessed(echo: EchoServer, sent: bytes) -> None:
    assert await refused(echo, sent + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n") in {
        (400, "bad_request"), (413, "too_large")
    }  # fmt: skip


CHUNKS = {
    "no size": b"\r\n\r\n",
    "no number": b"z\r\n",
    "minus": b"-1\r\n",
    "plus": b"+1\r\na\r\n",
    "0x": b"0x1\r\na\r\n",
    "blank first": b" 1\r\na\r\n",
    "blank behind": b"1 \r\na\r\n",
    "more than 64 bits": b"10000000000000001\r\na\r\n",
    "LF behind the size": b"1\na\r\n",
    "LF behind the data": b"1\r\na\n0\r\n\r\n",
    "too much data": b"1\r\nab\r\n0\r\n\r\n",
    "CR in an extension": b"1;a\rb\r\na\r\n",
    "LF in an extension": b"1;a\nb\r\na\r\n",
    "LF in a trailer": b"0\r\nX: y\n\r\n",
    "LF at the end": b"0\r\n\n",
    "a length in a trailer": b"0\r\nContent-Length: 7\r\n\r\n",
    "a coding in a trailer": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS.keys())
async def test_a_bad_chunk_is_refused(echo: EchoServer, body: bytes) -> None:
    sent = POST + b"Transfer-Encoding: chunked\r\n\r\n" + body

    assert await refused(echo, sent + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n") == (400, "bad_request")


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"abc"),
        (b"00003\r\nabc\r\n000\r\n\r\n", b"abc"),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"01234567890123456789"),
        (b'3;a=b;c;d="e f"\r\nabc\r\n0;z\r\n\r\n', b"abc"),
        (b"3\r\nabc\r\n0\r\nX-Checksum: 1\r\nHost: b\r\nAuthorization: x\r\n\r\n", b"abc"),
        (b"0\r\n\r\n", b""),
    ],
    ids=["one", "two", "zeros", "hexadecimal", "extensions", "trailers", "empty"],
)
async def test_a_chunked_body_is_read_to_its_end(echo: EchoServer, body: bytes, content: bytes) -> None:
    async with await Wire.open(echo.port) as wire:
        wire.send(POST + b"Transfer-Encoding: Chunked\r\n\r\n" + body + GET + END)
        assert [(await wire.answer()).status_code for _ in range(2)] == [200, 200]

    first, second = echo.seen
    assert (first.body, first.headers) == (content, [(b"host", b"a"), (b"transfer-encoding", b"Chunked")])
    assert (second.method, second.body) == ("GET", b"")


async def test_a_chunked_body_of_http_1_0_ends_the_connection(echo: EchoServer) -> None:
    """RFC 9112, 6.1: a proxy that forwarded it may have framed it differently."""
    begin = b"POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with await Wire.open(echo.port) as wire:
        wire.send(begin + b"3\r\nabc\r\n0\r\n\r\n" + GET + END)
        assert (await wire.answer())["connection"] == "close"
        assert await wire.rest() == b""
    assert [seen.body for seen in echo.seen] == [b"abc"]


# --- Limits ---------------------------------------------------------------------------------------------------------


async def test_a_line_may_be_so_long_and_no_longer(echo: EchoServer) -> None:
    most = b"/" + b"a" * (protocol.URL_BYTES_MAX - 1)
    assert await refused(echo, b"GET " + most + b"a HTTP/1.1\r\nHost: a\r\n\r\n") == (414, "url_too_long")

    assert (await heard(echo, b"GET " + most + b" HTTP/1.1\r\nHost: a\r\n\r\n")).raw_path == most


async def test_a_line_that_never_ends_is_cut(echo: EchoServer) -> None:
    assert await refused(echo, b"GET /" + b"a" * 1_000_000) == (414, "url_too_long")
    assert await refused(echo, b"G" * 1_000_000) == (400, "bad_request")


async def test_there_may_be_so_many_headers_and_no_more(echo: EchoServer) -> None:
    most = GET + b"X: y\r\n" * (protocol.HEADERS_MAX - 1)
    assert await refused(echo, most + b"X: y\r\n" + END) == (431, "headers_too_large")
    assert len((await heard(echo, most + END)).headers) == protocol.HEADERS_MAX


@pytest.mark.parametrize("shape", ["value", "name", "many", "repeated"])
async def test_headers_may_be_so_large_and_no_larger(echo: EchoServer, shape: str) -> None:
    def headers(size: int) -> bytes:
        rest = size - len(b"hosta")
        if shape == "value":
            return b"x: " + b"y" * (rest - 1) + b"\r\n"
        if shape == "name":
            return b"x" * (rest - 1) + b": y\r\n"
        name = b"x" if shape == "repeated" else b"x%02d"
        parts = [b"y" * 400 for _ in range(64)]
        lines = [(name % number if shape == "many" else name, part) for number, part in enumerate(parts)]
        left = rest - sum(len(name) + len(value) for name, value in lines)
        lines.append((b"z", b"y" * (left - 1)))
        return b"".join(b"%s: %s\r\n" % line for line in lines)

    assert await refused(echo, GET + headers(protocol.HEADER_BYTES_MAX + 1) + END) == (431, "headers_too_large")
    assert (await heard(echo, GET + headers(protocol.HEADER_BYTES_MAX) + END)).method == "GET"


async def test_headers_that_never_end_are_cut(echo: EchoServer) -> None:
    assert await refused(echo, GET + b"X: " + b"y" * 1_000_000) == (431, "headers_too_large")
    assert await refused(echo, GET + b"X: y\r\n" * 100_000) == (431, "headers_too_large")


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/", protocol.BODY_BYTES_MAX),
        ("/administer", protocol.BODY_BYTES_MAX),
        ("/admin/", protocol.ADMIN_BODY_BYTES_MAX),
        ("/api/sales/7/purchase", protocol.HOT_BODY_BYTES_MAX),
    ],
)
@pytest.mark.parametrize("shape", ["sized", "chunked"])
async def test_a_body_may_be_so_large_and_no_larger(
    echo: EchoServer, load_sale: LoadSale, path: str, most: int, shape: str
) -> None:
    load_sale()

    def request(size: int) -> bytes:
        if shape == "sized":
            return request_bytes("POST", path, {"content-length": str(size)}, b"x" * size)
        piece = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        rest = size % 4096
        last = b"%x\r\n%s\r\n" % (rest, b"x" * rest) if rest else b""
        return request_bytes(
            "POST", path, {"transfer-encoding": "chunked"}, piece * (size // 4096) + last + b"0\r\n\r\n"
        )

    assert await refused(echo, request(most + 1)) == (413, "too_large")
    assert echo.application.clients._body_bytes == 0
    async with await Wire.open(echo.port) as wire:
        wire.send(request(most))
        assert (await wire.answer()).status_code == (401 if path.startswith("/api") else 200)
    assert [len(seen.body) for seen in echo.seen] == ([] if path.startswith("/api") else [most])
    assert echo.application.clients._body_bytes == 0


async def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(echo: EchoServer) -> None:
    sent = request_bytes("POST", "/", {"content-length": str(protocol.BODY_BYTES_MAX + 1), "expect": "100-continue"})

    assert await refused(echo, sent) == (413, "too_large")


async def test_a_body_may_come_in_so_many_pieces_and_no_more(echo: EchoServer) -> None:
    """A piece costs more than its bytes: two connections of one-byte chunks must not delay all responses."""
    begin = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    most = protocol.PIECES_MAX + protocol.PIECES_MAX // (protocol.PIECE_BYTES - 1)  # each 64 bytes allow another one
    assert await refused(echo, begin + b"1\r\nx\r\n" * (most + 2) + b"0\r\n\r\n") == (413, "too_large")

    assert (await heard(echo, begin + b"1\r\nx\r\n" * most + b"0\r\n\r\n")).body == b"x" * most


async def test_the_framing_of_a_body_is_bounded_too(echo: EchoServer) -> None:
    begin = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    much = b"x" * 2 * protocol.BODY_BYTES_MAX

    assert await refused(echo, begin + b"1;" + much) == (413, "too_large")
    assert await refused(echo, begin + b"0\r\nX: " + much) == (413, "too_large")


async def test_all_bodies_together_may_be_so_large(echo: EchoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seckill.gate.clients.BODIES_BYTES_MAX", 1000)
    clients = echo.application.clients
    begin = POST + b"Content-Length: 800\r\n\r\n"
    async with await Wire.open(echo.port) as first, await Wire.open(echo.port) as second:
        first.send(begin + b"x" * 700)
        await echo.eventually(lambda: clients._body_bytes == 700)
        second.send(begin + b"x" * 301)
        answer = await second.answer()
        assert problem(answer) == (503, "unavailable")
        assert (answer["connection"], answer["retry-after"]) == ("close", "2")
        await echo.eventually(lambda: clients._body_bytes == 700)
        first.send(b"x" * 100)
        assert (await first.answer()).status_code == 200

        async with await Wire.open(echo.port) as third:
            third.send(begin + b"x" * 799)
            await echo.eventually(lambda: clients._body_bytes == 799)
    await echo.eventually(lambda: clients._body_bytes == 0)  # also after a disconnect


# --- HEAD -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"HEAD / HTTP/1.1\r\n\r\n", 400),
        (b"HEAD /" + b"a" * protocol.URL_BYTES_MAX + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", 413),
    ],
)
async def test_a_head_that_is_refused_gets_no_body(echo: EchoServer, sent: bytes, status: int) -> None:
    async with await Wire.open(echo.port) as wire:
        wire.send(sent)
        answer = await wire.answer("HEAD")
        assert (answer.status_code, int(answer.headers["content-length"]) > 0) == (status, True)
        assert await wire.rest() == b""


async def test_what_is_no_request_is_refused_with_a_body_after_a_head_too(echo: EchoServer) -> None:
    async with await Wire.open(echo.port) as wire:
        wire.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await wire.answer("HEAD")).status_code == 200
        wire.send(b"\0\r\n\r\n")
        assert problem(await wire.answer()) == (400, "bad_request")


# --- Faults ---------------------------------------------------------------------------------------------------------


async def test_a_fault_of_the_gate_is_an_answer_and_the_connection_goes_on(
    gate_server: GateServer, load_sale: LoadSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_sale()
    ask = request_bytes("GET", "/api/sales/7/progress")
    async with await Wire.open(gate_server.port) as wire:
        with monkeypatch.context() as broken:
            broken.setattr(gate_server.application.gate, "answer", lambda request: request.nonsense)
            for _ in range(2):  # the repeated request is not parsed
                wire.send(ask)
                assert problem(await wire.answer()) == (500, "internal")
        wire.send(ask)
        assert (await wire.answer()).json()["stock"] == 3


# --- Expect ---------------------------------------------------------------------------------------------------------


async def test_who_waits_for_leave_to_send_a_body_gets_it(echo: EchoServer) -> None:
    async with await Wire.open(echo.port) as wire:
        wire.send(POST + b"Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n")
        leave = await wire.answer()
        assert (leave.status_code, leave.headers) == (100, {})
        wire.send(b"abc")
        assert (await wire.answer()).status_code == 200

        wire.send(POST + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        assert (await wire.answer()).status_code == 100
        wire.send(b"0\r\n\r\n")
        assert (await wire.answer()).status_code == 200
    assert [seen.body for seen in echo.seen] == [b"abc", b""]


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        POST + b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
        POST + b"Expect: a-pony\r\nContent-Length: 1\r\n\r\nx",
    ],
    ids=["no body", "an empty body", "HTTP/1.0", "something else"],
)
async def test_who_has_nothing_to_wait_for_gets_the_answer_at_once(echo: EchoServer, sent: bytes) -> None:
    async with await Wire.open(echo.port) as wire:
        wire.send(sent)
        assert (await wire.answer()).status_code == 200


async def test_a_hot_request_without_a_body_is_read_the_same_from_anybody(
    gate_server: GateServer, load_sale: LoadSale
) -> None:
    load_sale()
    headers = {"authorization": f"Bearer {good_pass(7, 'olga')}"}
    bodies = [{}, {"content-length": "0"}, {"transfer-encoding": "chunked"}]

    answers = [
        await gate_server.request(
            "POST", "/api/sales/7/purchase", headers | more, b"0\r\n\r\n" if "transfer-encoding" in more else b""
        )
        for more in bodies
    ]

    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.content for answer in answers}) == 1
    assert read_json(answers[0].content)["place"] == 1
