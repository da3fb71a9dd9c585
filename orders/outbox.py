"""Transactional outbox: order events, delivered to buyers and to other programs.

An event is written in the transaction that changes the orders, one row for up to 500 of them. A worker leases the event
afterwards and delivers it; when a lease expires, another worker may take it. Delivery is at least once, and the event's
id lets a receiver discard duplicates.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict

import structlog
from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from orders.models import Event, Order
from seckill.timestamps import format_iso8601, to_epoch_ms

log = structlog.get_logger(__name__)

LEASE_SECONDS = 20  # after that, another worker may take an undelivered event
LEASE_BATCH_MAX = 100  # events leased at once
RETENTION_DAYS = 7
PURGE_BATCH = 1_000
ORDERS_PER_EVENT_MAX = 500  # limits the size of one delivery

#: An order's status when the event happened. The order may have changed again before delivery.
STATUS_BY_KIND: dict[str, Order.Status] = {
    Event.Kind.CONFIRMED: Order.Status.PENDING,
    Event.Kind.PAID: Order.Status.PAID,
    Event.Kind.CANCELLED: Order.Status.CANCELLED,
    Event.Kind.EXPIRED: Order.Status.EXPIRED,
}


class OrderPayload(TypedDict):
    """One order in an `EventPayload`."""

    number: str
    buyer: str
    place: int
    price: str  #: such as "19.90"
    currency: str  #: ISO 4217
    status: str  #: `Order.Status`
    pay_before: str  #: ISO 8601, UTC


class EventPayload(TypedDict):
    """An event as JSON for receivers. Every delivery of an event has the same payload."""

    id: int
    event: str  #: "orders.confirmed", "orders.paid", "orders.cancelled", "orders.expired" or "orders.reminder"
    sale: int
    at: str  #: ISO 8601, UTC
    orders: list[OrderPayload]  #: in order of place


def add_to_outbox(kind: Event.Kind, sale_id: int, numbers: Sequence[str], *, remind_at: datetime | None = None) -> None:
    """Add events for these order numbers; call it in the transaction that changes the orders."""
    now = timezone.now()
    for start in range(0, len(numbers), ORDERS_PER_EVENT_MAX):
        some = numbers[start : start + ORDERS_PER_EVENT_MAX]
        Event.objects.create(sale_id=sale_id, kind=kind, numbers=some, occurred_at=now, remind_at=remind_at)


def reminder_time(created_at: datetime, pay_before: datetime) -> datetime | None:
    """Return when to remind buyers, or None for no reminder.

    There is none if reminders or the webhook are off, or if the time to pay is below twice ``REMIND_SECONDS``.
    """
    before = timedelta(seconds=settings.REMIND_SECONDS)
    worth_it = before and pay_before - created_at >= 2 * before
    return pay_before - before if settings.WEBHOOK_URL and worth_it else None


# --- Leases


def lease_pending() -> list[Event]:
    """Lease unpublished events, oldest first, at most `LEASE_BATCH_MAX`."""
    unpublished = Event.objects.filter(published_at__isnull=True)
    return unpublished.order_by("id").lease_pending(LEASE_SECONDS, limit=LEASE_BATCH_MAX)


def lease_due_reminders() -> list[Event]:
    """Lease events whose buyers are to be reminded by now, the earliest first, at most `LEASE_BATCH_MAX`."""
    due = Event.objects.filter(remind_at__lte=Now())
    return due.order_by("remind_at").lease_pending(LEASE_SECONDS, limit=LEASE_BATCH_MAX)


def renew_leases(event_ids: Sequence[int]) -> list[Event]:
    """Renew the leases of these events and return the events, oldest first. Missing ids are ignored."""
    picked = Event.objects.filter(pk__in=event_ids)
    picked.renew_leases()
    return list(picked.order_by("id"))


# --- Payloads


def payload_of(event: Event) -> EventPayload:
    """Return the payload of an event."""
    orders = Order.objects.filter(number__in=event.numbers)
    return _payload(event, f"orders.{event.kind}", orders, STATUS_BY_KIND[event.kind])


def reminder_payload_of(event: Event) -> EventPayload | None:
    """Return a reminder with the orders that are still payable, or None without any."""
    unpaid = Order.objects.filter(number__in=event.numbers, status=Order.Status.PENDING, pay_before__gt=timezone.now())
    document = _payload(event, "orders.reminder", unpaid, Order.Status.PENDING)
    return document if document["orders"] else None


def _payload(event: Event, name: str, orders: QuerySet[Order], status: Order.Status) -> EventPayload:
    # Values instead of model instances save CPU: settlement runs on the same cores at the same time.
    rows = orders.order_by("place").values_list("number", "buyer", "place", "price", "currency", "pay_before")
    return {
        "id": event.pk,
        "event": name,
        "sale": event.sale_id,
        "at": format_iso8601(to_epoch_ms(event.occurred_at)),
        "orders": [
            {
                "number": number,
                "buyer": buyer,
                "place": place,
                "price": str(price),
                "currency": currency,
                "status": status.value,
                "pay_before": format_iso8601(to_epoch_ms(pay_before)),
            }
            for number, buyer, place, price, currency, pay_before in rows
        ],
    }


# --- Progress


def mark_notified(event: Event) -> None:
    """Record that the buyers were notified."""
    Event.objects.filter(pk=event.pk, notified_at__isnull=True).update(notified_at=timezone.now())


def mark_published(published: Sequence[Event]) -> None:
    """Record that the events were published to other programs."""
    Event.objects.filter(pk__in=[event.pk for event in published], published_at__isnull=True).update(
        published_at=timezone.now()
    )


def mark_reminded(event: Event) -> None:
    """Record that the buyers were reminded, or need no reminder."""
    Event.objects.filter(pk=event.pk).update(remind_at=None)


def cancel_reminders(sale_id: int) -> int:
    """Cancel the reminders of a sale without pending orders. Return the number of events concerned."""
    # Read the events before the orders: an order confirmed in between belongs to an event not in this list.
    to_come = list(Event.objects.filter(sale=sale_id, remind_at__isnull=False).values_list("pk", flat=True))
    if not to_come or Order.objects.filter(sale=sale_id, status=Order.Status.PENDING).exists():
        return 0
    return Event.objects.filter(pk__in=to_come).update(remind_at=None)


def delete_old_events() -> int:
    """Delete published events older than `RETENTION_DAYS`, in small transactions. Return the number deleted."""
    old = Event.objects.filter(
        occurred_at__lt=timezone.now() - timedelta(days=RETENTION_DAYS),
        published_at__isnull=False,
        remind_at__isnull=True,
    )
    deleted = 0
    while some := list(old.order_by("occurred_at").values_list("pk", flat=True)[:PURGE_BATCH]):
        deleted += Event.objects.filter(pk__in=some).delete()[0]
    if deleted:
        log.info("events_deleted", events=deleted)
    return deleted
