"""A visitor: requests Django's pages through connections of the gate."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from devtools.waiting import wait_until_async
from seckill.gate.application import Application
from seckill.gate.asgi import AsgiApplication
from seckill.gate.protocol import Connection
from tests.gate.gate_server import open_server
from tests.gate.wire import Answered, Wire, request_bytes

CHINESE = "zh-CN,zh;q=0.9"


@dataclass
class Visitor:
    """Makes a connection for each request."""

    application: Application
    port: int
    headers: dict[str, str] = field(default_factory=dict)

    async def get(
        self, path: str = "/", *, method: str = "GET", body: bytes = b"", version: str = "1.1", **more: str
    ) -> Answered:
        """Send a GET request; header names are written with underscores. Cancelling it closes the connection."""
        headers = {**self.headers, **{name.replace("_", "-"): more[name] for name in more}}
        present = {name: value for name, value in headers.items() if value}
        return await self.request(request_bytes(method, path, present, body, version=version), method)

    async def request(self, request: bytes, method: str = "GET") -> Answered:
        """Send these bytes as a request."""
        async with await Wire.open(self.port) as wire:
            wire.send(request)
            return await wire.answer(method)

    def unanswered(self) -> list[Connection]:
        """Return the server's connections with a request that is accepted and not answered."""
        clients = self.application.clients._clients
        return [client for client in clients if isinstance(client, Connection) and client.is_answering]

    async def line_up(self, count: int, ask: Callable[[], Awaitable[Answered]]) -> list[asyncio.Future[Answered]]:
        """Start ``count`` requests one after another; none is answered meanwhile."""
        asking: list[asyncio.Future[Answered]] = []
        for _ in range(count):
            asking += await self.crowd(1, ask)
        return asking

    async def crowd(self, count: int, ask: Callable[[], Awaitable[Answered]]) -> list[asyncio.Future[Answered]]:
        """Start ``count`` requests in any order; none is answered meanwhile."""
        wanted = len(self.unanswered()) + count
        asking: list[asyncio.Future[Answered]] = [asyncio.ensure_future(ask()) for _ in range(count)]
        await wait_until_async("len(self.unanswered()) == wanted", lambda: len(self.unanswered()) == wanted)
        return asking


Visit = Callable[[AsgiApplication], Awaitable[Visitor]]


@asynccontextmanager
async def open_shops() -> AsyncIterator[Visit]:
    """Yield a function that opens a shop behind connections of the gate and returns a visitor; close all afterwards."""
    async with AsyncExitStack() as stack:

        async def visit(shop: AsgiApplication) -> Visitor:
            application = Application(shop)
            return Visitor(application, await stack.enter_async_context(open_server(application)))

        yield visit
