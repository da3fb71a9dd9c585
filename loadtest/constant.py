"""The ceiling: an application that answers every request with the same bytes, about as many as a 202 has."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Message = Mapping[str, Any]

TICKET = "k3nS0b9mTq2v7Yx1LrWcZA" + "MSA0ODIxIGI0ODIxIDE"
BODY = json.dumps(
    {"ticket": TICKET, "status": "queued", "place": 4821, "ahead": 4720, "poll_after_s": 2}, separators=(",", ":")
).encode()
HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(BODY)),
    (b"cache-control", b"no-store"),
    (b"retry-after", b"2"),
    (b"location", b"/api/tickets/" + TICKET.encode()),
]


async def application(
    scope: Mapping[str, Any], receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Serve one request, or the start and end of the process."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 202, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
