"""Webhook: posts events to the service that notifies buyers (``SECKILL_WEBHOOK_URL``)."""

import hashlib
import hmac
import json
from functools import cache

import httpx
from django.conf import settings

from orders.outbox import EventPayload
from seckill import conf

TIMEOUT = httpx.Timeout(conf.WEBHOOK_TIMEOUT_SECONDS, connect=2)


@cache
def _client() -> httpx.Client:
    """Return the HTTP client of this process. Redirects are errors, so that events only go to the configured URL."""
    return httpx.Client(timeout=TIMEOUT, follow_redirects=False)


def post(document: EventPayload) -> None:
    """Post an event as JSON; do nothing without ``SECKILL_WEBHOOK_URL``. The response body is not read.

    ``Idempotency-Key`` is the same for every delivery of an event. ``X-Signature`` is ``sha256=`` followed by the HMAC
    of the body with ``SECKILL_WEBHOOK_SECRET``, in hexadecimal.

    Raises:
        httpx.HTTPError: a response other than 2xx, a timeout, or no connection.
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
