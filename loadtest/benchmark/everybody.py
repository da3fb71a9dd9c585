"""``python -m loadtest.benchmark.everybody PORT SALE PASSES``: every pass of a file buys once.

Over a hundred connections, and unlike wrk each exactly once and with every answer awaited. Prints a `Tally` as JSON.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import uvloop

CONNECTIONS = 100
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Tally:
    """What came back."""

    started_at: float = 0.0  #: seconds since 1970
    seconds: float = 0.0  #: from the first request to the last answer
    statuses: dict[str, int] = field(default_factory=dict)  #: answers by status; "lost": the connection broke

    def count(self, status: str) -> None:
        """One more."""
        self.statuses[status] = self.statuses.get(status, 0) + 1


class Buyers(asyncio.Protocol):
    """One connection: the next pass goes out when the one before is answered."""

    def __init__(self, sale: int, passes: Iterator[str], tally: Tally, through: asyncio.Semaphore) -> None:
        """``through`` is released when the connection has no more to do."""
        self._head = f"POST /api/sales/{sale}/purchase HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
        self._passes = passes
        self._tally = tally
        self._through = through
        self._waits = False
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first one."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer; send the next one when it is whole."""
        self._answer += data
        head = self._answer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = LENGTH.search(self._answer, 0, head)
        if length is None:
            self._transport.abort()
            return
        if len(self._answer) < head + 4 + int(length[1]):
            return
        self._tally.count(self._answer[9:12].decode())
        self._answer = b""
        self._waits = False
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's)
        """Count what was not answered."""
        if self._waits:
            self._tally.count("lost")
        self._through.release()

    def _send(self) -> None:
        buyer_pass = next(self._passes, "").strip()
        if buyer_pass:
            self._waits = True
            self._transport.write(f"{self._head}{buyer_pass}\r\n\r\n".encode())
        else:
            self._transport.close()


async def buy_all(port: int, sale: int, passes: Iterator[str]) -> Tally:
    """Have every pass buy once, from the shop on a port of this machine."""
    tally = Tally(started_at=time.time())
    through = asyncio.Semaphore(0)
    started = time.monotonic()
    for _ in range(CONNECTIONS):
        await asyncio.get_running_loop().create_connection(
            lambda: Buyers(sale, passes, tally, through), "127.0.0.1", port
        )
    for _ in range(CONNECTIONS):
        await through.acquire()
    tally.seconds = time.monotonic() - started
    return tally


def main() -> None:
    """Read the arguments, buy, print the tally."""
    port, sale, file = sys.argv[1:]
    with Path(file).open(encoding="ascii") as passes:
        print(json.dumps(asdict(uvloop.run(buy_all(int(port), int(sale), passes)))))


if __name__ == "__main__":
    main()
