"""Callers: call the gate without a connection, so that many calls run in one turn of the event loop."""

import asyncio

from seckill.gate.gate import Gate
from seckill.gate.request import Request, parse_target
from seckill.gate.response import Response


class Caller:
    """Waits for one response."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def respond(self, request: Request, answer: Response) -> None:  # noqa: ARG002 (a client's signature)
        self.answer.set_result(answer)

    def forward(self, request: Request) -> None:  # noqa: ARG002 (a client's signature)
        raise AssertionError("this is the gate's own to answer")


def ask(gate: Gate, method: str, path: str, authorization: str = "") -> asyncio.Future[Response]:
    """Call the gate now; return a future of the response."""
    fields = {b"host": b"127.0.0.1", b"authorization": authorization.encode()}
    caller = Caller()
    gate.handle(Request(method, parse_target(path.encode()), "1.1", [*fields.items()], fields, b"", True, caller))
    return caller.answer
