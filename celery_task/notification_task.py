"""Notification tasks: deliver outbox events to buyers and other programs (`orders.outbox`)."""

from typing import Any

import httpx
import msgspec
from celery import shared_task
from django.conf import settings
from kombu import Producer

from celery_task.celery import app
from celery_task.queues import EVENTS, NOTIFICATIONS, PRIORITY_HIGH, PRIORITY_LOW
from celery_task.runtime import webhook
from celery_task.runtime.publishing import PUBLISH_OPTIONS
from celery_task.runtime.queue_probe import queue_depths
from celery_task.runtime.retries import RETRY_POLICY, TRANSIENT_ERRORS
from orders import outbox
from orders.models import Event

COMPRESS_BYTES = 10_000  # about 60 orders

# The delay between two tries is shorter than an event's lease (`orders.outbox.LEASE_SECONDS`), which each try renews.
# After the last try, about 30 s after the first, `Event.notified_at` stays empty.
NOTIFY_OPTIONS: dict[str, Any] = {
    "autoretry_for": (httpx.HTTPError, *TRANSIENT_ERRORS),
    **RETRY_POLICY,
    "rate_limit": "50/s",  # per worker, to protect the webhook's server
    "soft_time_limit": 15,
    "time_limit": 20,
}


@shared_task(priority=PRIORITY_HIGH)
def dispatch_events() -> None:
    """Lease pending events and due reminders, and send their tasks, unless the queue is already long (every 2 s)."""
    if settings.WEBHOOK_URL and queue_depths()[NOTIFICATIONS.name] >= outbox.LEASE_BATCH_MAX:
        return  # the webhook is slow: events that wait longer than their lease would be sent again
    while leased := outbox.lease_pending():
        if settings.WEBHOOK_URL:
            for event in leased:
                _dispatch(event)
        else:
            publish_events.apply_async(([event.pk for event in leased],), **PUBLISH_OPTIONS)
        for sale_id in {event.sale_id for event in leased if event.kind != Event.Kind.CONFIRMED}:
            outbox.cancel_reminders(sale_id)
        if settings.WEBHOOK_URL:
            break  # one batch per tick: more would wait longer than their lease
    for event in outbox.lease_due_reminders():
        remind_buyers.apply_async((event.pk,), **PUBLISH_OPTIONS)


def _dispatch(event: Event) -> None:
    """Send the tasks of an event: notify its buyers, then publish it, also if notifying fails."""
    published = publish_events.si([event.pk])
    (notify_buyers.si(event.pk).on_error(published) | published).apply_async(**PUBLISH_OPTIONS)


@shared_task(priority=PRIORITY_HIGH, **NOTIFY_OPTIONS)
def notify_buyers(event_id: int) -> None:
    """Post an event to the webhook, unless its buyers were already notified."""
    for event in outbox.renew_leases([event_id]):
        if not event.notified_at:
            webhook.post(outbox.payload_of(event))
            outbox.mark_notified(event)


@shared_task(priority=PRIORITY_HIGH)
def publish_events(event_ids: list[int]) -> None:
    """Publish unpublished events as JSON to the exchange ``shop.events``. The routing key is the event's name.

    On RabbitMQ, each bound queue stores a copy. On Redis, a fanout exchange is PUB/SUB: disconnected programs miss the
    event.
    """
    published: list[Event] = []
    try:
        with app.producer_pool.acquire(block=True, timeout=PUBLISH_OPTIONS["timeout"]) as producer:
            for event in outbox.renew_leases(event_ids):
                if not event.published_at:
                    _publish(outbox.payload_of(event), producer)
                    published.append(event)
    finally:
        outbox.mark_published(published)


def _publish(document: outbox.EventPayload, producer: Producer) -> None:
    body = msgspec.json.encode(document)
    producer.publish(
        body,
        exchange=EVENTS,
        routing_key=document["event"],
        content_type="application/json",
        content_encoding="utf-8",
        compression="gzip" if len(body) > COMPRESS_BYTES else None,
        delivery_mode="persistent",
        declare=[EVENTS],
        **PUBLISH_OPTIONS,
    )


@shared_task(priority=PRIORITY_LOW, **NOTIFY_OPTIONS)
def remind_buyers(event_id: int) -> None:
    """Remind the buyers of an event who have not paid, unless they were reminded already."""
    for event in outbox.renew_leases([event_id]):
        if event.remind_at is None:
            return
        if document := outbox.reminder_payload_of(event):
            webhook.post(document)
        outbox.mark_reminded(event)


@shared_task
def purge_events() -> None:
    """Delete old events (daily)."""
    outbox.delete_old_events()
