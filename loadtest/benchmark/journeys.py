"""``python -m loadtest.benchmark.journeys PORT SECONDS CONNECTIONS ACCOUNTS SALES``: buyers who behave like browsers.

Each connection serves one buyer at a time. A buyer opens a sale's page, fetches a pass, purchases with it and polls the
ticket three times without pauses; then the next buyer starts. Each account purchases once in each sale (SALES is a
comma-separated list of ids). When all have, they start again and keep their places. Prints `Answers` as JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict
from itertools import cycle, product
from pathlib import Path
from typing import Any

import uvloop

from loadtest.benchmark.accounts import Account, read_accounts
from loadtest.benchmark.connection import LOST, Connection, connect, request
from loadtest.benchmark.pacer import Answers, percentile_ms

POLLS = 3
#: A buyer's requests in order. The generator is sent the status and body of each response.
Journey = Generator[bytes, tuple[str, bytes], None]


class StrayError(Exception):
    """The response is not one a buyer can continue with."""


def journey(account: Account, sale: int) -> Journey:
    """The requests of one buyer. Raises StrayError."""
    status, _ = yield request("GET", f"/sales/{sale}/")
    _expect("page", status, "200")
    status, body = yield request("POST", f"/api/sales/{sale}/pass", account.headers())
    _expect("pass", status, "200")
    buyer_pass = _document(body)["pass"]
    status, body = yield request("POST", f"/api/sales/{sale}/purchase", {"Authorization": f"Bearer {buyer_pass}"})
    _expect("purchase", status, "202")
    ticket = _document(body)["ticket"]
    for _ in range(POLLS):
        status, _ = yield request("GET", f"/api/tickets/{ticket}")
        _expect("poll", status, "200")


def _expect(step: str, status: str, wanted: str) -> None:
    if status != wanted:
        raise StrayError(f"{step} {status}")


def _document(body: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(body)
    return document


class Crowd:
    """Buyers on connections."""

    def __init__(self, buyers: Iterator[tuple[int, Account]]) -> None:
        self.latencies: list[float] = []  #: seconds, per request
        self.statuses: dict[str, int] = {}  #: responses: expected ones by status, others with the step
        self._buyers = buyers
        self._ways: dict[Connection, tuple[Journey, float]] = {}

    async def walk(self, port: int, seconds: float, connections: int) -> float:
        """Send requests for a number of seconds; return the exact duration."""
        walked = await connect(port, connections, self._answered)
        start = time.monotonic()
        for connection in walked:
            self._set_out(connection)
        await asyncio.sleep(seconds)
        for connection in walked:
            connection.close()
        return time.monotonic() - start

    def _set_out(self, connection: Connection) -> None:
        sale, account = next(self._buyers)
        way = journey(account, sale)
        self._go(connection, way, next(way))

    def _go(self, connection: Connection, way: Journey, step: bytes) -> None:
        self._ways[connection] = (way, time.monotonic())
        connection.ask(step)

    def _answered(self, connection: Connection, status: str, answer: bytes) -> None:
        way, requested_at = self._ways.pop(connection)
        if status == LOST:
            self._count(LOST)
            return
        self.latencies.append(time.monotonic() - requested_at)
        try:
            step = way.send((status, answer[answer.index(b"\r\n\r\n") + 4 :]))
        except StopIteration:
            self._count(status)
            self._set_out(connection)
        except StrayError as error:
            self._count(str(error))
            self._set_out(connection)
        else:
            self._count(status)
            self._go(connection, way, step)

    def _count(self, status: str) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1


async def run(port: int, seconds: float, connections: int, accounts: list[Account], sales: list[int]) -> Answers:
    """Run buyers against the shop on a local port."""
    crowd = Crowd(cycle(product(sales, accounts)))
    took = await crowd.walk(port, seconds, connections)
    done = len(crowd.latencies)
    p50_ms, p99_ms = (percentile_ms(crowd.latencies, share) for share in (0.5, 0.99))
    return Answers(done, done / took, p50_ms, p99_ms, crowd.statuses, ran_out=False)


def main() -> None:
    """Parse the arguments, run, print the responses."""
    port, seconds, connections, file, sales = sys.argv[1:]
    accounts = read_accounts(Path(file))
    numbers = [int(sale) for sale in sales.split(",")]
    print(json.dumps(asdict(uvloop.run(run(int(port), float(seconds), int(connections), accounts, numbers)))))


if __name__ == "__main__":
    main()
