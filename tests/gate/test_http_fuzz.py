"""HTTP fuzzing: a stream is answered the same however it is split, and invalid input is only refused."""

import asyncio
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devtools.waiting import wait_until_async
from tests.gate.echo import EchoServer
from tests.gate.wire import Wire, request_bytes

EXAMPLES = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SEGMENTS_MAX = 12

PATHS = st.sampled_from(["/", "/a", "/a/%20b?c=d", "/%C3%BC", "http://b.example/x", "/" + "long" * 200])
BODIES = st.binary(max_size=300)
HEADERS = st.dictionaries(st.sampled_from(["x-one", "accept", "cookie"]), st.sampled_from(["", "a", "b; c=d"]))


def chunked(body: bytes, cuts: list[int]) -> bytes:
    """Return the body in chunks, split at these offsets."""
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    parts = [body[start:end] for start, end in itertools.pairwise(edges)]
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\nX-Sum: 1\r\n\r\n"


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, str, bytes]:
    """A valid request: the bytes, its method, and its body."""
    method = draw(st.sampled_from(["GET", "HEAD", "POST", "DELETE"]))
    headers = draw(HEADERS)
    body = draw(BODIES)
    if draw(st.booleans()):
        coded = chunked(body, draw(st.lists(st.integers(0, 300), max_size=5)))
        return request_bytes(method, draw(PATHS), {**headers, "transfer-encoding": "chunked"}, coded), method, body
    return request_bytes(method, draw(PATHS), headers, body), method, body


async def send_in_segments(wire: Wire, sent: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(sent), *(cut % (len(sent) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        wire.send(sent[start:end])
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@EXAMPLES
@given(
    stream=st.lists(requests(), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 100_000), max_size=SEGMENTS_MAX),
)
async def test_however_a_stream_is_cut_it_is_answered_the_same(
    echo: EchoServer, stream: list[tuple[bytes, str, bytes]], cuts: list[int]
) -> None:
    answers = []
    for pieces in ([], cuts):
        echo.seen.clear()
        async with await Wire.open(echo.port) as wire:
            await send_in_segments(wire, b"".join(sent for sent, _, _ in stream), pieces)
            got = [await wire.answer(method) for _, method, _ in stream]
        assert [(seen.method, seen.body) for seen in echo.seen] == [(method, body) for _, method, body in stream]
        answers.append([(answer.status_code, answer.content) for answer in got])

    assert answers[0] == answers[1]


@EXAMPLES
@given(rubbish=st.binary(min_size=1, max_size=2000), cuts=st.lists(st.integers(0, 2000), max_size=SEGMENTS_MAX))
async def test_rubbish_is_refused(
    echo: EchoServer, caplog: pytest.LogCaptureFixture, rubbish: bytes, cuts: list[int]
) -> None:
    async with await Wire.open(echo.port) as wire:
        await send_in_segments(wire, rubbish, cuts)
        wire.send_end()
        received = await wire.rest()

    assert received == b"" or (received.startswith(b"HTTP/1.1 4") and received.count(b"HTTP/1.1 ") == 1)
    assert (echo.seen, caplog.records) == ([], [])


@EXAMPLES
@given(
    request_=requests(),
    at=st.integers(0, 5000),
    instead=st.one_of(st.binary(max_size=3), st.sampled_from([b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\r\n\r\n"])),
    takes=st.integers(0, 3),
)
async def test_a_request_with_a_fault_breaks_nothing(
    echo: EchoServer,
    caplog: pytest.LogCaptureFixture,
    request_: tuple[bytes, str, bytes],
    at: int,
    instead: bytes,
    takes: int,
) -> None:
    sent, method, _ = request_
    place = at % len(sent)
    async with await Wire.open(echo.port) as wire:
        wire.send(sent[:place] + instead + sent[place + takes :])
        await asyncio.sleep(0)
        wire.send_end()
        received = await wire.rest()
    assert received.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")) or received == b""
    await wait_until_async("all clients have left", lambda: not echo.application.clients._clients)
    assert echo.application.clients._body_bytes == 0

    async with await Wire.open(echo.port) as wire:  # and other clients are served
        wire.send(sent)
        assert (await wire.answer(method)).status_code == 200
    assert caplog.records == []
