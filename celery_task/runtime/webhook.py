"""Notice: an event for the buyers it is about, sent to the service that writes to them (``WEBHOOK_URL``)."""

import hashlib
import hmac
import json
from functools import cache

import httpx
from django.conf import settings

from orders.outbox import EventPayload

TIMEOUT = httpx.Timeout(5, connect=2)  # seconds


@cache
def _client() -> httpx.Client:
    """This process' connections. A redirect is an error: nobody should make us post to somewhere else."""
    return httpx.Client(timeout=TIMEOUT, follow_redirects=False)


def post(document: EventPayload) -> None:
    """Post an event as JSON; nothing happens without ``WEBHOOK_URL``. The answer is its status: the rest is not read.

    ``Idempotency-Key`` is the same whenever the same thing is told again. ``X-Signature`` is ``sha256=`` and the HMAC
    of the body under ``WEBHOOK_SECRET``, in hexadecimal digits.

    Raises httpx.HTTPError when it was not taken: any answer but 2xx, none in time, or no connection.
    """
    if not settings.WEBHOOK_URL:
        return
    body = json.dumps(document).encode()
    signature = hmac.new(settings.WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": f"{document['event']}-{document['id']}",
        "X-Signature": f"sha256={signature}",
    }
    with _client().stream("POST", settings.WEBHOOK_URL, content=body, headers=headers) as answer:
        answer.raise_for_status()
