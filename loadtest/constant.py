"""The ceiling: the gate's connections with a constant response of about the size of a 202.

No application runs behind them, so this is the cost of parsing a request and sending a response. Use a path that is not
one of the gate's routes.
"""

import json
import os

import django

from seckill.gate.asgi import Receive, Scope, Send

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seckill.settings")
django.setup()

# As in seckill.asgi: the gate imports models, which need Django to be set up.
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
    """A constant response in place of the response cache."""

    def find(self, request: Request) -> Response:  # noqa: ARG002 (the base class' signature)
        """Return the same response for every request."""
        return ANSWER


async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands in for Django; never called."""


application = Application(nobody)
application.public = Constant(nobody)
