"""``python -m loadtest.benchmark.buy_once PORT SALE PASSES [TICKETS]``: purchase once with each pass in a file.

It uses 100 connections. Unlike wrk it sends each purchase exactly once and waits for every response. Prints a `Tally`
as JSON. With TICKETS it writes the tickets to that file, one per line in the order of their places.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import uvloop

from loadtest.benchmark.connection import LOST, Connection, connect, request

CONNECTIONS = 100
ACCEPTED = "202"


@dataclass(slots=True)
class Tally:
    """Counts of the responses."""

    started_at: float = 0.0  #: seconds since 1970
    seconds: float = 0.0  #: from the first request to the last response
    statuses: dict[str, int] = field(default_factory=dict)  #: responses by status; "lost" = the connection broke

    def count(self, status: str) -> None:
        """Count one response."""
        self.statuses[status] = self.statuses.get(status, 0) + 1


class BuyOnce:
    """All buyers: each connection sends the next pass when the previous one is answered."""

    def __init__(self, sale: int, passes: Iterator[str], *, keep_tickets: bool) -> None:
        self.tally = Tally()
        self.tickets: dict[int, str] = {}  #: by place
        self._path = f"/api/sales/{sale}/purchase"
        self._passes = passes
        self._keep_tickets = keep_tickets
        self._through = asyncio.Semaphore(0)

    async def buy(self, port: int) -> None:
        """Purchase with every pass at the shop on a local port."""
        connections = await connect(port, CONNECTIONS, self._answered)
        self.tally.started_at = time.time()
        started = time.monotonic()
        for connection in connections:
            self._next(connection)
        for _ in connections:
            await self._through.acquire()
        self.tally.seconds = time.monotonic() - started

    def _next(self, connection: Connection) -> None:
        buyer_pass = next(self._passes, "").strip()
        if buyer_pass:
            connection.ask(request("POST", self._path, {"Authorization": f"Bearer {buyer_pass}"}))
        else:
            connection.close()
            self._through.release()

    def _answered(self, connection: Connection, status: str, answer: bytes) -> None:
        self.tally.count(status)
        if status == LOST:
            self._through.release()
            return
        if self._keep_tickets and status == ACCEPTED:
            document = json.loads(answer[answer.index(b"\r\n\r\n") :])
            self.tickets[document["place"]] = document["ticket"]
        self._next(connection)


async def _main(port: int, sale: int, passes: Path, tickets: Path | None) -> None:
    with passes.open(encoding="ascii") as lines:
        buyers = BuyOnce(sale, lines, keep_tickets=tickets is not None)
        await buyers.buy(port)
    if tickets is not None:
        text = "".join(f"{ticket}\n" for _, ticket in sorted(buyers.tickets.items()))
        await asyncio.to_thread(tickets.write_text, text, encoding="ascii")
    print(json.dumps(asdict(buyers.tally)))


def main() -> None:
    """Parse the arguments, send the purchases, print the tally."""
    port, sale, passes, *tickets = sys.argv[1:]
    uvloop.run(_main(int(port), int(sale), Path(passes), Path(tickets[0]) if tickets else None))


if __name__ == "__main__":
    main()
