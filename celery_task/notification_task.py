"""Notification tasks: deliver outbox events to buyers and other programs (`orders.outbox`)."""

from typing import Any

import httpx
import msgspec
from celery import Task, shared_task
from django.conf import settings
from django.db import OperationalError
from kombu import Producer

from celery_task.celery import app
from celery_task.queues import EVENTS, NOTIFICATIONS, PRIORITY_HIGH, PRIORITY_LOW
from celery_task.runtime import webhook
from celery_task.runtime.delay import apply_at, is_due
from celery_task.runtime.publishing import PUBLISH_OPTIONS
from celery_task.runtime.queue_probe import queue_depths
from orders import outbox
from orders.models import Event
from seckill import conf

COMPRESS_BYTES = 10_000  # about 60 orders

# The delay between two tries is shorter than Redis' visibility timeout, and than an event's lease
# (`orders.outbox.LEASE_SECONDS`), which each try renews. After the last try, about 30 s after the first,
# `Event.notified_at` stays empty.
NOTIFY_OPTIONS: dict[str, Any] = {
    "autoretry_for": (httpx.HTTPError, OperationalError),
    "retry_backoff": 1,
    "retry_backoff_max": conf.WEBHOOK_RETRY_SECONDS_MAX,
    "retry_jitter": True,
    "max_retries": 5,
    "rate_limit": "50/s",  # per worker, to protect the webhook's server
    "soft_time_limit": 15,
    "time_limit": 20,
}


@shared_task(priority=PRIORITY_HIGH)
def dispatch_events() -> None:
    """Lease pending events and send their tasks, unless the queue is already long (every 2 s)."""
    if settings.WEBHOOK_URL and queue_depths()[NOTIFICATIONS.name] >= outbox.LEASE_BATCH_MAX:
        return  # the webhook is slow: events that wait longer than their lease would be sent again
    while leased := outbox.lease_pending():
        if settings.WEBHOOK_URL:
            for event in leased:
                _dispatch(event)
        else:
            publish_events.apply_async(([event.pk for event in leased],), **PUBLISH_OPTIONS)
        for sale_id in {event.sale_id for event in leased if event.kind != Event.Kind.CONFIRMED}:
            if called_off := outbox.cancel_reminders(sale_id):
                app.control.revoke([_reminder_id(event_id) for event_id in called_off])
        if settings.WEBHOOK_URL:
            break  # one batch per tick: more would wait longer than their lease
    for event in outbox.lease_overdue_reminders():
        remind_buyers.apply_async((event.pk,), task_id=_reminder_id(event.pk), **PUBLISH_OPTIONS)


def _dispatch(event: Event) -> None:
    """Send the tasks of an event: notify its buyers, then publish it, also if notifying fails."""
    published = publish_events.si([event.pk])
    (notify_buyers.si(event.pk).on_error(published) | published).apply_async(**PUBLISH_OPTIONS)
    if event.remind_at and event.locked_at is None:  # else a reminder was scheduled at the first delivery
        apply_at(event.remind_at, remind_buyers, event.pk, task_id=_reminder_id(event.pk))


def _reminder_id(event_id: int) -> str:
    return f"reminder-{event_id}"


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


@shared_task(bind=True, priority=PRIORITY_LOW, **NOTIFY_OPTIONS)
def remind_buyers(self: Task, event_id: int) -> None:
    """Remind the buyers of an event who have not paid. A task that runs too early schedules itself again."""
    event = Event.objects.filter(pk=event_id).first()
    if event is None or event.remind_at is None:
        return
    if not is_due(event.remind_at):
        apply_at(event.remind_at, self, event_id, task_id=self.request.id)
        return
    outbox.renew_leases([event_id])
    if document := outbox.reminder_payload_of(event):
        webhook.post(document)
    outbox.mark_reminded(event)


@shared_task
def purge_events() -> None:
    """Delete old events (daily)."""
    outbox.delete_old_events()
