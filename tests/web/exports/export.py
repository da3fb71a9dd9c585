"""Exports as staff request them."""

import json
from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client

from celery_task.queues import EXPORTS
from orders.export import (
    write_next_chunk,
)
from orders.models import Export
from tests.orders.bulk import clerk
from tests.workers.messages import take

API = "/api/exports/"


def staff(username: str = "clerk", *permissions: str) -> Client:
    """Return a client of a staff user with these permissions."""
    user = clerk(username)
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def post(browser: Client, query: str = "", **wanted: Any) -> Any:
    """Request an export."""
    return browser.post(f"{API}{query}", wanted, content_type="application/json")


def begun(browser: Client, **wanted: Any) -> Export:
    """An export that waits for a worker."""
    answer = post(browser, "?async=1", **wanted)
    assert answer.status_code == 202, answer.content
    return Export.objects.get(pk=answer.json()["id"])


def finish(export: Export) -> Export:
    """Write all chunks, as workers do."""
    while not export.result:
        assert write_next_chunk(export)
    return export


def asked_of_workers() -> list[Any]:
    """Take [export, chunk] of each message for workers."""
    return [json.loads(message.body)[0] for message in take(EXPORTS)]


def content(answer: Any) -> bytes:
    """Return the content of a streamed response."""
    assert (answer.status_code, answer.streaming) == (200, True)
    return b"".join(answer.streaming_content)
