"""Application: what one web process serves, as an ASGI application with a gate in front."""

import asyncio
from contextlib import suppress

from seckill.gate.asgi import AsgiApplication, Receive, Scope, Send
from seckill.gate.clients import Clients
from seckill.gate.gate import Gate
from seckill.gate.metrics import ResponseTally
from seckill.gate.response_cache import ResponseCache

FLUSH_SECONDS = 0.5


class Application:
    """The gate's parts for `Connection`, and Django behind its shared answers for everything else.

    Only `Connection` answers purchases, tickets and progress: another ASGI server would have no gate.
    """

    gate: Gate  #: there while the process serves

    def __init__(self, django: AsgiApplication) -> None:
        self.clients = Clients()
        self.tally = ResponseTally()
        self.public = ResponseCache(django)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that is Django's, or the start and end of the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self.public(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """From the start of the process to its end. What is written by then is what `Connection` has answered."""
        await receive()
        self.gate = Gate()
        chores = [asyncio.create_task(self.clients.watch()), asyncio.create_task(self._flush())]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for chore in chores:
            chore.cancel()
            with suppress(asyncio.CancelledError):
                await chore
        self.tally.flush()
        await self.gate.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self.tally.flush()
