"""The open loop: a request's latency counts from the moment it was due, also while the shop stalls."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from loadtest.benchmark import pacer
from loadtest.benchmark.connection import LOST, Connection, connect, is_whole, request
from loadtest.benchmark.pacer import Pacer, percentile_ms

OK = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok"


class Sent:
    """A connection that records the requests it is given."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    def ask(self, request: bytes) -> None:
        self.requests.append(request)


def requests(count: int = 1_000) -> Iterator[bytes]:
    return (b"%d" % number for number in range(count))


# --- due times --------------------------------------------------------------------------------------------------


def test_requests_fall_due_at_a_constant_rate_whatever_was_answered() -> None:
    connections = [Sent() for _ in range(10)]
    paced = Pacer(connections, requests(), rate=4.0, start=100.0)
    paced.tick(100.0)
    assert paced.sent == 1
    paced.tick(100.24)
    assert paced.sent == 1
    paced.tick(100.25)
    assert paced.sent == 2
    paced.tick(101.0)  # the loop did not run for the time of three requests
    assert paced.sent == 5
    assert [connection.requests for connection in connections[:5]] == [[b"0"], [b"1"], [b"2"], [b"3"], [b"4"]]


def test_what_falls_due_in_the_first_seconds_is_sent_and_not_counted() -> None:
    one, other = Sent(), Sent()
    paced = Pacer([one, other], requests(), rate=10.0, start=0.0, ramp=0.1)
    paced.tick(0.05)
    paced.tick(0.1)
    assert (one.requests, other.requests) == ([b"0"], [b"1"])

    paced.answered(one, "202", 0.15)  # due at 0.0
    paced.answered(other, "202", 0.17)  # due at 0.1

    assert (paced.sent, paced.statuses) == (2, {"202": 2})
    assert paced.latencies == pytest.approx([0.07])


def test_a_shop_that_stalls_is_charged_with_everybody_who_would_have_come() -> None:
    connection = Sent()
    paced = Pacer([connection], requests(), rate=10.0, start=0.0)
    paced.tick(0.0)
    for tenth in range(1, 11):
        paced.tick(tenth / 10)  # the response takes a second; ten more requests become due meanwhile
    assert (paced.sent, paced.unanswered()) == (1, 11)

    for answer in range(11):  # then each takes 10 ms
        paced.answered(connection, "202", 1.0 + answer / 100)
    paced.stop(1.2)

    # A closed loop would have recorded one of 1 s and ten of 10 ms.
    assert paced.latencies[:11] == pytest.approx([1.0, 0.91, 0.82, 0.73, 0.64, 0.55, 0.46, 0.37, 0.28, 0.19, 0.10])
    assert paced.statuses == {"202": 11}


def test_who_was_late_is_sent_in_the_order_they_fell_due() -> None:
    one, other = Sent(), Sent()
    paced = Pacer([one, other], requests(), rate=10.0, start=0.0)
    for tick in (0.0, 0.1, 0.2, 0.3):
        paced.tick(tick)
    paced.answered(other, "202", 0.35)
    paced.answered(one, "202", 0.36)
    assert (one.requests, other.requests) == ([b"0", b"3"], [b"1", b"2"])
    assert paced.latencies == pytest.approx([0.25, 0.36])


def test_nothing_more_falls_due_after_the_end_but_what_has_is_sent() -> None:
    connection = Sent()
    paced = Pacer([connection], requests(), rate=10.0, start=0.0)
    paced.tick(0.0)
    paced.stop(0.15)
    paced.answered(connection, "202", 5.0)
    assert connection.requests == [b"0", b"1"]
    paced.answered(connection, "202", 6.0)
    paced.tick(7.0)
    assert (paced.sent, paced.unanswered()) == (2, 0)
    assert paced.latencies == pytest.approx([5.0, 5.9])


def test_without_a_rate_the_next_is_sent_when_the_one_before_is_answered() -> None:
    one, other = Sent(), Sent()
    paced = Pacer([one, other], requests(), rate=0, start=0.0)
    paced.tick(0.0)
    paced.tick(0.5)
    assert paced.sent == 2
    paced.answered(other, "202", 0.7)
    assert (one.requests, other.requests) == ([b"0"], [b"1", b"2"])
    assert paced.latencies == pytest.approx([0.7])
    paced.answered(other, "202", 0.9)
    assert paced.latencies == pytest.approx([0.7, 0.2])


def test_requests_that_run_out_are_told_and_end_it() -> None:
    connection = Sent()
    paced = Pacer([connection], requests(1), rate=10.0, start=0.0)
    paced.tick(0.5)
    paced.answered(connection, "202", 0.6)
    assert (paced.sent, paced.ran_out, paced.unanswered()) == (1, True, 0)


def test_a_lost_connection_is_not_used_again_and_has_no_latency() -> None:
    one, other = Sent(), Sent()
    paced = Pacer([one, other], requests(), rate=10.0, start=0.0)
    paced.tick(0.1)
    paced.answered(one, LOST, 0.15)
    paced.tick(0.2)
    assert (one.requests, other.requests, paced.unanswered()) == ([b"0"], [b"1"], 2)
    assert (paced.statuses, paced.latencies) == ({LOST: 1}, [])


def test_a_percentile_is_a_latency_that_somebody_had() -> None:
    hundred = [number / 1000 for number in range(100, 0, -1)]
    assert percentile_ms(hundred, 0.99) == 99.0
    assert percentile_ms(hundred, 0.5) == 50.0
    assert percentile_ms([0.007], 0.99) == 7.0
    assert percentile_ms([], 0.99) is None


# --- real connections -------------------------------------------------------------------------------------------


class Server(asyncio.Protocol):
    """A server connection that sends a constant response, and closes after a number of them."""

    def __init__(self, answer: bytes, answers: int) -> None:
        self._answer = answer
        self._left = answers
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert data.endswith(b"\r\n\r\n")
        if self._left:
            self._left -= 1
            self.transport.write(self._answer)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's)
        self.gone.set()


@asynccontextmanager
async def server(answer: bytes, *, answers: int = 1_000_000) -> AsyncIterator[int]:
    """The port of a server."""
    connections: list[Server] = []

    def serve() -> Server:
        connections.append(Server(answer, answers))
        return connections[-1]

    running = await asyncio.get_running_loop().create_server(serve, "127.0.0.1", 0)
    async with running:
        yield running.sockets[0].getsockname()[1]
        for connection in connections:
            connection.transport.close()
            await connection.gone.wait()


async def test_every_request_is_sent_once_and_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacer, "RAMP_SECONDS", 0.1)
    asked = [request("GET", f"/{number}") for number in range(70)]
    async with server(OK) as port:
        answers = await pacer.run(port, 200.0, 0.2, 3, iter(asked))
    assert answers.statuses == {"202": answers.sent}
    assert 40 <= answers.sent <= 61  # the number of due requests depends on the time of the last tick
    assert not answers.ran_out
    assert answers.p99_ms is not None


async def test_what_is_lost_is_counted() -> None:
    async with server(OK, answers=2) as port:
        answers = await pacer.run(port, 0, 0.2, 1, iter([request("GET", "/")] * 10))
    assert answers.statuses == {"202": 2, LOST: 1}


@pytest.mark.parametrize(
    ("answer", "cuts"),
    [
        (OK, [20, 40]),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", [10, 50]),
        (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", [30]),
    ],
)
def test_an_answer_is_whole_when_its_body_is(answer: bytes, cuts: list[int]) -> None:
    assert is_whole(answer)
    for cut in (*cuts, len(answer) - 1):
        assert not is_whole(answer[:cut])


async def test_an_answer_that_comes_in_pieces_is_one() -> None:
    received: list[tuple[str, bytes]] = []

    def answered(_connection: Connection, status: str, answer: bytes) -> None:
        received.append((status, answer))

    async with server(b"") as port:
        (connection,) = await connect(port, 1, answered)
        for start in range(len(OK)):
            connection.data_received(OK[start : start + 1])
        connection.close()
    assert received == [("202", OK)]


def test_a_request_has_a_length_where_it_has_a_body() -> None:
    assert request("GET", "/a", {"X-One": "1"}) == b"GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nX-One: 1\r\n\r\n"
    assert request("POST", "/", body='"é"').endswith(
        b'Content-Type: application/json\r\nContent-Length: 4\r\n\r\n"\xc3\xa9"'
    )
