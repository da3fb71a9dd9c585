"""A shop behind the response cache that counts how often it is asked, and a crowd that asks."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from seckill.gate.asgi import RENEWAL, Receive, Scope, Send
from tests.gate.visitor import Visitor
from tests.gate.wire import Answered

PUBLIC = {"Cache-Control": "public, max-age=60"}


class Shop:
    """The application behind the cache. Records its requests and responds with their number."""

    def __init__(
        self, headers: Mapping[str, str] | None = None, *, status: int = 200, length: int | None = None
    ) -> None:
        self.asked: list[str] = []
        self.renewals: list[bool] = []  #: for each request, whether it was made to renew a cached response
        self.headers = dict(PUBLIC if headers is None else headers)
        self.status = status
        self.places_issued = length
        self.doors = asyncio.Event()
        self.doors.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(f"{scope.get('method', scope['type'])} {scope['path']}")
        self.renewals.append(RENEWAL in scope)
        body = b"answer %d" % len(self.asked)
        if self.places_issued is not None:
            body = body.ljust(self.places_issued)
        headers = {"Content-Length": str(len(body)), **self.headers}
        assert (await receive())["type"] == "http.request"
        await self.doors.wait()
        raw = [(name.encode(), value.encode()) for name, value in headers.items() if value]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        await send({"type": "http.response.body", "body": body[:5], "more_body": True})
        await send({"type": "http.response.body", "body": body[5:]})


async def crowd(visitor: Visitor, count: int, ask: Callable[[], Awaitable[Answered]], shop: Shop) -> list[Answered]:
    """Send all requests before the first one is answered."""
    shop.doors.clear()
    asking = await visitor.line_up(count, ask)
    shop.doors.set()
    return await asyncio.gather(*asking)
