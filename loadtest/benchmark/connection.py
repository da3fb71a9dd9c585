"""Keep-alive connection to a shop that sends one request at a time."""

import asyncio
import re
from collections.abc import Callable
from typing import cast

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
LAST_CHUNK = b"\r\n0\r\n\r\n"
WITHOUT_BODY = (b"204", b"304")
LOST = "lost"  #: used as status when the connection broke before the response was complete


def is_whole(answer: bytes) -> bool:
    """Return whether the bytes are a complete response."""
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    if length := LENGTH.search(answer, 0, head):
        return len(answer) >= head + 4 + int(length[1])
    if CHUNKED.search(answer, 0, head):
        return answer.endswith(LAST_CHUNK)
    return answer[9:12] in WITHOUT_BODY


class Connection(asyncio.Protocol):
    """Calls ``answered(connection, status, response)`` after each response.

    The status is `LOST`, once and for good, when the connection breaks.
    """

    def __init__(self, answered: Callable[["Connection", str, bytes], None]) -> None:
        self._answered = answered
        self._answer = b""
        self._waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport. The first request is sent by `ask`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def ask(self, request: bytes) -> None:
        """Send a request. The previous one must have been answered."""
        self._waits = True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Add received bytes to the response."""
        answer = self._answer + data if self._answer else data
        if is_whole(answer):
            self._answer = b""
            self._waits = False
            self._answered(self, answer[9:12].decode(), answer)
        else:
            self._answer = answer

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's)
        """Report `LOST` if a request is unanswered."""
        if self._waits:
            self._waits = False
            self._answered(self, LOST, b"")

    def close(self) -> None:
        """Close the connection. An unanswered request is not reported."""
        self._waits = False
        self._transport.abort()


async def connect(port: int, count: int, answered: Callable[[Connection, str, bytes], None]) -> list[Connection]:
    """Open ``count`` connections to a local port."""
    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(count):
        _, connection = await loop.create_connection(lambda: Connection(answered), "127.0.0.1", port)
        connections.append(connection)
    return connections


def request(method: str, path: str, headers: dict[str, str] | None = None, body: str = "") -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body.encode())}"]
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()
