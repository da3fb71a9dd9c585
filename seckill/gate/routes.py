"""Routes: which requests are the gate's, and what every request must be like before the gate looks at it."""

import re
from collections.abc import Awaitable, Callable

from seckill.gate.answer import Answer, Receive, Scope, Send, problem_answer
from seckill.gate.gate import Gate
from seckill.gate.metrics import ANSWERS
from seckill.problems import Problem

BODY_BYTES_MAX = 4096  # a purchase needs no body at all

SALE = re.compile(r"/api/sales/([0-9]{1,9})/(purchase|progress)")
TICKET = "/api/tickets/"

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class GateRoutes:
    """An ASGI application in front of another one: it takes the hot addresses and passes everything else on."""

    def __init__(self, otherwise: Application) -> None:
        self._otherwise = otherwise
        self._gate: Gate | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and end of the process."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        path: str = scope["path"]
        match = SALE.fullmatch(path) if scope["type"] == "http" else None
        if match is None and not (scope["type"] == "http" and path.startswith(TICKET)):
            await self._otherwise(scope, receive, send)
            return
        method: str = scope["method"]
        call = match[2] if match is not None else "ticket"
        if match is not None and call == "purchase":
            answer = await self._purchase(int(match[1]), scope, receive)
        elif method not in ("GET", "HEAD"):
            answer = problem_answer(Problem.METHOD_NOT_ALLOWED, "", (b"allow", b"GET, HEAD"))
        elif match is not None:
            answer = await self._running().progress(int(match[1]))
        else:
            answer = await self._running().ticket(path[len(TICKET) :])
        ANSWERS.labels(call, answer.status).inc()
        await answer.send(send, with_body=method != "HEAD")

    async def _purchase(self, sale_id: int, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] != "POST":
            return problem_answer(Problem.METHOD_NOT_ALLOWED, "", (b"allow", b"POST"))
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
            received = 0
            more = True
            while more:
                message = await receive()
                received += len(message.get("body", b""))
                more = message.get("more_body", False)
                if received > BODY_BYTES_MAX:
                    return problem_answer(Problem.TOO_LARGE, "A purchase needs no body.", (b"connection", b"close"))
        return await self._running().purchase(sale_id, headers.get(b"authorization", b""))

    def _running(self) -> Gate:
        """The gate of this process, made in the event loop that serves it."""
        if self._gate is None:
            self._gate = Gate()
        return self._gate

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._running()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._running().close()
                await send({"type": "lifespan.shutdown.complete"})
                return
