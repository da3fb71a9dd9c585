"""Application: what gunicorn loads.

It holds the gate, the clients and the response cache; as an ASGI application it serves only what `Connection` forwards
to Django.
"""

import asyncio
from contextlib import suppress

from seckill.gate.asgi import AsgiApplication, Receive, Scope, Send
from seckill.gate.clients import Clients
from seckill.gate.gate import Gate
from seckill.gate.metrics import ResponseTally
from seckill.gate.response_cache import ResponseCache

FLUSH_SECONDS = 0.5


class Application:
    """Holds the parts that `Connection` uses, and serves all other requests by Django behind the response cache.

    Only `Connection` serves the gate's routes: another ASGI server would send all requests to Django.
    """

    gate: Gate  #: set between startup and shutdown

    def __init__(self, django: AsgiApplication) -> None:
        self.clients = Clients()
        self.tally = ResponseTally()
        self.public = ResponseCache(django)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an HTTP request for Django, or the lifespan of the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self.public(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Handle startup and shutdown (ASGI lifespan). Shutdown publishes the last counts, then closes the gate."""
        await receive()
        self.gate = Gate()
        background = [asyncio.create_task(self.clients.watch()), asyncio.create_task(self._flush())]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in background:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.tally.flush()
        await self.gate.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self.tally.flush()
