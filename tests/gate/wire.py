"""Wire: the client's end of a connection. It sends raw bytes and reads responses one by one."""

import asyncio
import json
import socket
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

WAIT_SECONDS_MAX = 30  # only to end a hang
WITHOUT_BODY = (HTTPStatus.CONTINUE, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


@dataclass(frozen=True, slots=True)
class Answered:
    """One response as received."""

    status_code: int
    headers: dict[str, str]  #: lower-case names; repeated values joined by a comma
    content: bytes

    def __getitem__(self, name: str) -> str | None:
        return self.headers.get(name.lower())

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, *, receive_bytes: int | None = None) -> Self:
        """Connect. ``receive_bytes`` limits the receive buffer to about that size."""
        client = socket.socket()
        client.setblocking(False)
        if receive_bytes is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
            return cls(*await asyncio.open_connection(sock=client, limit=receive_bytes or 2**16))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.hang_up()

    def send(self, data: bytes) -> None:
        """Send bytes. A wait between two calls makes them separate segments."""
        self._writer.write(data)

    async def sent(self) -> None:
        """Wait until the system has accepted most of what was sent."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await self._writer.drain()

    def send_end(self) -> None:
        """Shut down the sending side; responses may still arrive."""
        self._writer.write_eof()

    def hang_up(self) -> None:
        """Close the connection, whatever is under way."""
        self._writer.transport.abort()

    async def answer(self, method: str = "GET") -> Answered:
        """Read the next response, to a request with this method."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").removesuffix("\r\n\r\n")
            status_line, *lines = head.split("\r\n")
            status = int(status_line.removeprefix("HTTP/1.1 ").split(" ")[0])
            headers: dict[str, str] = {}
            for name, value in (line.split(": ", 1) for line in lines):
                known = headers.get(name.lower())
                headers[name.lower()] = value if known is None else f"{known}, {value}"
            without_body = method == "HEAD" or status in WITHOUT_BODY
            return Answered(status, headers, b"" if without_body else await self._body(headers))

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self._reader.readline(), 16):
                body += await self._reader.readexactly(size)
                assert await self._reader.readexactly(2) == b"\r\n"
            assert await self._reader.readline() == b"\r\n"
            return body
        if "content-length" in headers:
            return await self._reader.readexactly(int(headers["content-length"]))
        return await self._reader.read()

    async def until(self, end: bytes) -> bytes:
        """Read up to and including these bytes."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            return await self._reader.readuntil(end)

    async def rest(self) -> bytes:
        """Read until the server closes the connection."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            return await self._reader.read()


def request_bytes(
    method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"", *, version: str = "1.1"
) -> bytes:
    """Return the bytes of a request. Missing Host and Content-Length headers are added where needed."""
    headers = headers or {}
    lines = [f"{method} {path} HTTP/{version}"]
    if version == "1.1" and "host" not in headers:
        lines.append("host: 127.0.0.1")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body and not {"content-length", "transfer-encoding"} & headers.keys():
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
