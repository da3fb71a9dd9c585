"""The ceiling: the shop's own connections, which answer every request with the same bytes, about as many as a 202 has.

Nothing is behind them, so this is what a request costs that needs no thought: it is parsed, and answered there.
Ask for an address that is not one of the gate's calls.
"""

import json
import os

import django

from seckill.gate.asgi import Receive, Scope, Send

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seckill.settings")
django.setup()

# As in seckill.asgi: the gate reads models, which exist once Django is set up.
from seckill.gate.application import Application  # noqa: E402
from seckill.gate.request import Request  # noqa: E402
from seckill.gate.response import NO_STORE, RETRY_AFTER, Response, json_head  # noqa: E402
from seckill.gate.response_cache import ResponseCache  # noqa: E402

TICKET = "k3nS0b9mTq2v7Yx1LrWcZA" + "MSA0ODIxIGI0ODIxIDE"
BODY = json.dumps(
    {"ticket": TICKET, "status": "queued", "place": 4821, "ahead": 4720, "poll_after_s": 2}, separators=(",", ":")
).encode()
ANSWER = Response(202, json_head(202, NO_STORE, RETRY_AFTER, (b"location", f"/api/tickets/{TICKET}".encode())), BODY)


class Constant(ResponseCache):
    """The same answer for everybody, in place of Django's public ones."""

    def find(self, request: Request) -> Response:  # noqa: ARG002 (the base class' signature)
        """The answer, whatever is asked for."""
        return ANSWER


async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """In Django's place; never asked."""


application = Application(nobody)
application.public = Constant(nobody)
