"""HTTP messages: limits, HEAD, faults, and Expect."""

import pytest

from devtools.waiting import wait_until_async
from seckill.gate import reader
from tests.gate.echo import EchoServer
from tests.gate.gate_server import GateServer, good_pass, problem, read_json
from tests.gate.raw_requests import END, GET, POST, heard, refused
from tests.gate.wire import Wire, request_bytes
from tests.line.conftest import LoadSale


async def test_a_line_may_be_so_long_and_no_longer(echo: EchoServer) -> None:
    most = b"/" + b"a" * (reader.URL_BYTES_MAX - 1)
    assert await refused(echo, b"GET " + most + b"a HTTP/1.1\r\nHost: a\r\n\r\n") == (414, "url_too_long")

    assert (await heard(echo, b"GET " + most + b" HTTP/1.1\r\nHost: a\r\n\r\n")).raw_path == most


async def test_a_line_that_never_ends_is_cut(echo: EchoServer) -> None:
    assert await refused(echo, b"GET /" + b"a" * 1_000_000) == (414, "url_too_long")
    assert await refused(echo, b"G" * 1_000_000) == (400, "bad_request")


async def test_there_may_be_so_many_headers_and_no_more(echo: EchoServer) -> None:
    most = GET + b"X: y\r\n" * (reader.HEADERS_MAX - 1)
    assert await refused(echo, most + b"X: y\r\n" + END) == (431, "headers_too_large")
    assert len((await heard(echo, most + END)).headers) == reader.HEADERS_MAX


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

    assert await refused(echo, GET + headers(reader.HEADER_BYTES_MAX + 1) + END) == (431, "headers_too_large")
    assert (await heard(echo, GET + headers(reader.HEADER_BYTES_MAX) + END)).method == "GET"


async def test_headers_that_never_end_are_cut(echo: EchoServer) -> None:
    assert await refused(echo, GET + b"X: " + b"y" * 1_000_000) == (431, "headers_too_large")
    assert await refused(echo, GET + b"X: y\r\n" * 100_000) == (431, "headers_too_large")


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/", reader.BODY_BYTES_MAX),
        ("/administer", reader.BODY_BYTES_MAX),
        ("/admin/", reader.ADMIN_BODY_BYTES_MAX),
        ("/api/sales/7/purchase", reader.HOT_BODY_BYTES_MAX),
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
    sent = request_bytes("POST", "/", {"content-length": str(reader.BODY_BYTES_MAX + 1), "expect": "100-continue"})

    assert await refused(echo, sent) == (413, "too_large")


async def test_a_body_may_come_in_so_many_pieces_and_no_more(echo: EchoServer) -> None:
    """A piece costs more than its bytes: two connections of one-byte chunks must not delay all responses."""
    begin = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    most = reader.PIECES_MAX + reader.PIECES_MAX // (reader.PIECE_BYTES - 1)  # each 64 bytes allow another one
    assert await refused(echo, begin + b"1\r\nx\r\n" * (most + 2) + b"0\r\n\r\n") == (413, "too_large")

    assert (await heard(echo, begin + b"1\r\nx\r\n" * most + b"0\r\n\r\n")).body == b"x" * most


async def test_the_framing_of_a_body_is_bounded_too(echo: EchoServer) -> None:
    begin = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    much = b"x" * 2 * reader.BODY_BYTES_MAX

    assert await refused(echo, begin + b"1;" + much) == (413, "too_large")
    assert await refused(echo, begin + b"0\r\nX: " + much) == (413, "too_large")


async def test_all_bodies_together_may_be_so_large(echo: EchoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seckill.gate.clients.BODIES_BYTES_MAX", 1000)
    clients = echo.application.clients
    begin = POST + b"Content-Length: 800\r\n\r\n"
    async with await Wire.open(echo.port) as first, await Wire.open(echo.port) as second:
        first.send(begin + b"x" * 700)
        await wait_until_async("clients._body_bytes == 700", lambda: clients._body_bytes == 700)
        second.send(begin + b"x" * 301)
        answer = await second.answer()
        assert problem(answer) == (503, "unavailable")
        assert (answer["connection"], answer["retry-after"]) == ("close", "2")
        await wait_until_async("clients._body_bytes == 700", lambda: clients._body_bytes == 700)
        first.send(b"x" * 100)
        assert (await first.answer()).status_code == 200

        async with await Wire.open(echo.port) as third:
            third.send(begin + b"x" * 799)
            await wait_until_async("clients._body_bytes == 799", lambda: clients._body_bytes == 799)
    await wait_until_async("clients._body_bytes == 0", lambda: clients._body_bytes == 0)  # also after a disconnect


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"HEAD / HTTP/1.1\r\n\r\n", 400),
        (b"HEAD /" + b"a" * reader.URL_BYTES_MAX + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
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


async def test_a_fault_of_the_gate_is_an_answer_and_the_connection_goes_on(
    gate_server: GateServer, load_sale: LoadSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_sale()
    ask = request_bytes("GET", "/api/sales/7/progress")
    async with await Wire.open(gate_server.port) as wire:
        with monkeypatch.context() as broken:
            broken.setattr(gate_server.application.gate, "handle", lambda request: request.nonsense)
            for _ in range(2):  # the repeated request is not parsed
                wire.send(ask)
                assert problem(await wire.answer()) == (500, "internal")
        wire.send(ask)
        assert (await wire.answer()).json()["stock"] == 3


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
