"""``python -m loadtest.benchmark.pacer PORT RATE SECONDS CONNECTIONS REQUESTS``: an open loop, like wrk2.

A request is due every 1/RATE seconds, whether or not earlier requests have been answered, and its latency counts from
the moment it was due. A shop that stalls for a second is charged with the wait of every request due in that second. A
closed loop such as wrk waits for a response before it sends the next request, so it sends nothing during the stall and
records one slow response. Requests due in the first second are sent but not counted, as in wrk2: connections are made,
caches and workers warm up. RATE 0 is a closed loop, which measures the maximum throughput.

REQUESTS is a file with one request per line, as a JSON string. Prints `Answers` as JSON.
"""

import asyncio
import json
import math
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import uvloop

from loadtest.benchmark.connection import LOST, Connection, connect

TICK_SECONDS = 0.001
RAMP_SECONDS = 1.0  #: of an open loop, before SECONDS start
AWAIT_SECONDS_MAX = 20.0  #: for requests still under way when the time is over


class Asks(Protocol):
    """A connection that can send a request."""

    def ask(self, request: bytes) -> None:
        """Send a request."""


C = TypeVar("C", bound=Asks)


@dataclass(frozen=True, slots=True)
class Answers:
    """Counts and latencies of the responses. Latencies are None when there were no responses."""

    sent: int
    per_second: float  #: answered before the time was over
    p50_ms: float | None  #: from the moment each request was due
    p99_ms: float | None
    statuses: dict[str, int]  #: responses by status; "late" = not answered
    ran_out: bool  #: whether there were too few requests


class Pacer(Generic[C]):
    """Decides which connection sends which request, and when. Does no I/O; the caller passes the time in seconds."""

    def __init__(
        self, connections: Sequence[C], requests: Iterator[bytes], *, rate: float, start: float, ramp: float = 0.0
    ) -> None:
        """Make ``rate`` requests a second due from ``start`` on; the first ``ramp`` seconds are not counted."""
        self.latencies: list[float] = []  #: seconds, in the order of the responses
        self.statuses: dict[str, int] = {}
        self.sent = 0
        self.ran_out = False
        self._free = deque(connections)
        self._due: deque[float] = deque()  #: due times of requests that wait for a free connection
        self._asked: dict[C, float] = {}  #: due times of requests under way
        self._requests = requests
        self._rate = rate
        self._start = start
        self._counted_from = start + ramp
        self._fallen_due = 0
        self._open = True

    def tick(self, now: float) -> None:
        """Send the requests that are due."""
        if self._rate and self._open:
            while (due := self._start + self._fallen_due / self._rate) <= now:
                self._due.append(due)
                self._fallen_due += 1
        elif self._open:
            self._due.extend([now] * (len(self._free) - len(self._due)))
        while self._due and self._free:
            self._ask(self._free.popleft(), self._due.popleft())

    def answered(self, connection: C, status: str, now: float) -> None:
        """Record a response, or `LOST` when the connection broke; a broken connection is not used again."""
        due = self._asked.pop(connection)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == LOST:
            return
        if due >= self._counted_from:
            self.latencies.append(now - due)
        self._free.append(connection)
        self.tick(now)

    def stop(self, now: float) -> None:
        """Make no more requests due. Those already due are sent and awaited."""
        self.tick(now)
        self._open = False

    def unanswered(self) -> int:
        """Return the number of requests that are due and not answered."""
        return len(self._asked) + len(self._due)

    def _ask(self, connection: C, due: float) -> None:
        request = next(self._requests, None)
        if request is None:
            self.ran_out, self._open = True, False
            self._due.clear()
            self._free.append(connection)
            return
        self.sent += 1
        self._asked[connection] = due
        connection.ask(request)


def percentile_ms(latencies: Sequence[float], share: float) -> float | None:
    """Return the given quantile of the latencies in milliseconds, or None when there are none."""
    return sorted(latencies)[math.ceil(share * len(latencies)) - 1] * 1000 if latencies else None


async def run(port: int, rate: float, seconds: float, connections: int, requests: Iterator[bytes]) -> Answers:
    """Run the loop against the shop on a local port."""
    asked = await connect(port, connections, lambda one, status, _: pacer.answered(one, status, time.monotonic()))
    start = time.monotonic()
    ramp = RAMP_SECONDS if rate else 0.0
    pacer = Pacer[Connection](asked, requests, rate=rate, start=start, ramp=ramp)
    seconds += ramp
    while (now := time.monotonic()) < start + seconds:
        pacer.tick(now)
        await asyncio.sleep(TICK_SECONDS)
    pacer.stop(now)
    in_time = len(pacer.latencies)
    give_up_at = start + seconds + AWAIT_SECONDS_MAX
    while pacer.unanswered() and time.monotonic() < give_up_at:  # noqa: ASYNC110 (it ticks)
        await asyncio.sleep(TICK_SECONDS)
    statuses = dict(pacer.statuses)
    if pacer.unanswered():
        statuses["late"] = pacer.unanswered()
    for connection in asked:
        connection.close()
    p50_ms, p99_ms = (percentile_ms(pacer.latencies, share) for share in (0.5, 0.99))
    return Answers(pacer.sent, in_time / (now - start - ramp), p50_ms, p99_ms, statuses, pacer.ran_out)


def main() -> None:
    """Parse the arguments, run the loop, print the result."""
    port, rate, seconds, connections, file = sys.argv[1:]
    with Path(file).open(encoding="utf-8") as lines:
        requests = [json.loads(line).encode() for line in lines]
    print(json.dumps(asdict(uvloop.run(run(int(port), float(rate), float(seconds), int(connections), iter(requests))))))


if __name__ == "__main__":
    main()
