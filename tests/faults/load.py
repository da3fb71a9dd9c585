"""Load: sequential buyers on kept connections, as fast as possible or at a fixed rate."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import uvloop

CONNECTIONS = 128


@dataclass
class Load:
    """Purchases, each followed by one poll of its ticket."""

    port: int
    sale: int
    tokens: Iterator[str]  #: passes, each used once
    statuses: Counter[int] = field(default_factory=Counter)

    def run(self, seconds: float, *, per_second: float | None = None) -> float:
        """Run at ``per_second`` purchases a second, or as fast as possible; return purchases a second."""
        began = time.monotonic()
        before = self.statuses[202]
        uvloop.run(self._run(began + seconds, per_second))
        return (self.statuses[202] - before) / (time.monotonic() - began)

    async def _run(self, until: float, per_second: float | None) -> None:
        pause = CONNECTIONS / per_second if per_second else 0.0
        await asyncio.gather(*(self._connection(until, pause, number) for number in range(CONNECTIONS)))

    async def _connection(self, until: float, pause: float, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        due = time.monotonic() + pause * number / CONNECTIONS
        while time.monotonic() < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += pause
            bearer = f"Authorization: Bearer {next(self.tokens)}\r\nContent-Length: 0\r\n"
            status, body = await _ask(reader, writer, f"POST /api/sales/{self.sale}/purchase", bearer)
            self.statuses[status] += 1
            if status == 202:
                status, _ = await _ask(reader, writer, f"GET /api/tickets/{json.loads(body)['ticket']}", "")
                self.statuses[status] += 1
        writer.close()
        await writer.wait_closed()


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str, headers: str
) -> tuple[int, bytes]:
    writer.write(f"{request} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    return int(head[9:12]), await reader.readexactly(length)
