"""Echo: an application behind the gate's connections that records its requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from seckill.gate.application import Application
from seckill.gate.asgi import Receive, Scope, Send
from tests.gate.gate_server import open_server


@dataclass(frozen=True, slots=True)
class Echo:
    """One request, as the application received it."""

    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    version: str
    body: bytes


@dataclass
class EchoServer:
    """Responds to each request with the number of requests so far, its method and its path."""

    seen: list[Echo] = field(default_factory=list)
    port: int = 0
    application: Application = field(init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        assert not message["more_body"]
        self.seen.append(
            Echo(
                scope["method"],
                scope["path"],
                scope["raw_path"],
                scope["query_string"],
                list(scope["headers"]),
                scope["http_version"],
                message["body"],
            )
        )
        body = f"{len(self.seen)} {scope['method']} {scope['path']}".encode("utf-8", "replace")
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def open_echo() -> AsyncIterator[EchoServer]:
    """Open an echo application behind connections of the gate."""
    echo = EchoServer()
    echo.application = Application(echo)
    async with open_server(echo.application) as echo.port:
        yield echo
