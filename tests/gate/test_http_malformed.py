"""HTTP messages: malformed ones are refused, and the end of a message is never guessed."""

import pytest

from tests.gate.echo import EchoServer
from tests.gate.raw_requests import END, GET, POST, refused
from tests.gate.wire import Wire

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
