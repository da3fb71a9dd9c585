"""Events: what happened to orders, told to their buyers and to other programs.

An event is written in the transaction that makes it true, one row for up to 500 orders of it: both are there, or
neither. It is told afterwards, by whoever claims it. A claim is a lease, not a lock: who fell silent is replaced.
Thus everything is told at least once, and with an id by which a listener knows what it has heard already.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from orders.models import Event, Order
from seckill.timestamps import format_iso8601, to_epoch_ms

log = structlog.get_logger(__name__)

LEASE_SECONDS = 20  # who claimed an event and has not been heard of for so long will not tell it
LEASE_BATCH_MAX = 100  # events in one claim
REMINDER_OVERDUE_SECONDS = 5  # a reminder so late got lost
RETENTION_DAYS = 7
PURGE_BATCH = 1_000
ORDERS_PER_EVENT_MAX = 500  # orders of one event: who is told of it should not get too much at once

#: What an order was when the event happened; by the time it is told the order may have moved on.
STATUS_BY_KIND: dict[str, Order.Status] = {
    Event.Kind.CONFIRMED: Order.Status.PENDING,
    Event.Kind.PAID: Order.Status.PAID,
    Event.Kind.CANCELLED: Order.Status.CANCELLED,
    Event.Kind.EXPIRED: Order.Status.EXPIRED,
}


class OrderPayload(TypedDict):
    """An order in a `EventPayload`."""

    number: str
    buyer: str
    place: int
    price: str  #: such as "19.90"
    currency: str  #: ISO 4217
    status: str  #: `Order.Status`
    pay_before: str  #: ISO 8601, UTC


class EventPayload(TypedDict):
    """An event as the outside hears it; JSON as it is, and the same however often it is told."""

    id: int
    event: str  #: "orders.confirmed", "orders.paid", "orders.cancelled", "orders.expired" or "orders.reminder"
    sale: int
    at: str  #: ISO 8601, UTC
    orders: list[OrderPayload]  #: by place


def add_to_outbox(kind: Event.Kind, sale_id: int, numbers: Sequence[str], *, remind_at: datetime | None = None) -> None:
    """Write down what has just happened to the orders of these numbers; inside the transaction it happens in."""
    now = timezone.now()
    for start in range(0, len(numbers), ORDERS_PER_EVENT_MAX):
        some = numbers[start : start + ORDERS_PER_EVENT_MAX]
        Event.objects.create(sale_id=sale_id, kind=kind, numbers=some, at=now, remind_at=remind_at)


def reminder_time(created_at: datetime, pay_before: datetime) -> datetime | None:
    """When buyers should be reminded; None if there is nobody to tell, or if the time to pay is short anyway."""
    before = timedelta(seconds=settings.REMIND_SECONDS)
    worth_it = before and pay_before - created_at >= 2 * before
    return pay_before - before if settings.WEBHOOK_URL and worth_it else None


# --- Claims


def lease_pending() -> list[Event]:
    """Claim events that nobody tells, oldest first, 100 at most. A new one has no ``locked_at`` yet."""
    return _lease(Event.objects.filter(published_at__isnull=True))


def lease_overdue_reminders() -> list[Event]:
    """Claim events whose reminder should have gone out by now, 100 at most."""
    return _lease(Event.objects.filter(remind_at__lt=timezone.now() - timedelta(seconds=REMINDER_OVERDUE_SECONDS)))


def _lease(events: QuerySet[Event]) -> list[Event]:
    """Take the lease of those that are free; gives them as they were before.

    Rows are locked for these two statements only. Several may claim at once: each passes over what another one has.
    """
    now = timezone.now()
    free = Q(locked_at__isnull=True) | Q(locked_at__lt=now - timedelta(seconds=LEASE_SECONDS))
    with transaction.atomic():
        claimed = list(events.filter(free).order_by("id").select_for_update(skip_locked=True)[:LEASE_BATCH_MAX])
        if claimed:
            Event.objects.filter(pk__in=[event.pk for event in claimed]).update(locked_at=now)
    return claimed


def renew_leases(event_ids: Sequence[int]) -> list[Event]:
    """Events to tell, oldest first, their leases renewed; without those that do not exist (any more)."""
    picked = Event.objects.filter(pk__in=event_ids)
    picked.update(locked_at=timezone.now())
    return list(picked.order_by("id"))


# --- What is said


def payload_of(event: Event) -> EventPayload:
    """The event."""
    orders = Order.objects.filter(number__in=event.numbers)
    return _payload(event, f"orders.{event.kind}", orders, STATUS_BY_KIND[event.kind])


def reminder_payload_of(event: Event) -> EventPayload | None:
    """A reminder for those who have to pay still; None if there are none."""
    unpaid = Order.objects.filter(number__in=event.numbers, status=Order.Status.PENDING, pay_before__gt=timezone.now())
    document = _payload(event, "orders.reminder", unpaid, Order.Status.PENDING)
    return document if document["orders"] else None


def _payload(event: Event, name: str, orders: QuerySet[Order], status: Order.Status) -> EventPayload:
    # Values, not model instances: a group of 500 is told while the next ones are settled on the same cores.
    rows = orders.order_by("place").values_list("number", "buyer", "place", "price", "currency", "pay_before")
    return {
        "id": event.pk,
        "event": name,
        "sale": event.sale_id,
        "at": format_iso8601(to_epoch_ms(event.at)),
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


# --- What was said


def mark_notified(event: Event) -> None:
    """Its buyers know."""
    Event.objects.filter(pk=event.pk, notified_at__isnull=True).update(notified_at=timezone.now())


def mark_published(published: Sequence[Event]) -> None:
    """Other programs know: these are told."""
    Event.objects.filter(pk__in=[event.pk for event in published], published_at__isnull=True).update(
        published_at=timezone.now()
    )


def mark_reminded(event: Event) -> None:
    """Its buyers were reminded, or need not be."""
    Event.objects.filter(pk=event.pk).update(remind_at=None)


def cancel_reminders(sale_id: int) -> list[int]:
    """If nobody in a sale has to pay any more, nobody will be reminded; gives the events whose reminder is off."""
    # In this order: an order confirmed meanwhile belongs to an event that is not among these.
    to_come = list(Event.objects.filter(sale=sale_id, remind_at__isnull=False).values_list("pk", flat=True))
    if not to_come or Order.objects.filter(sale=sale_id, status=Order.Status.PENDING).exists():
        return []
    Event.objects.filter(pk__in=to_come).update(remind_at=None)
    return to_come


def delete_old_events() -> int:
    """Delete what was published and is older than a week, in small transactions; gives how many. The orders stay."""
    old = Event.objects.filter(
        at__lt=timezone.now() - timedelta(days=RETENTION_DAYS), published_at__isnull=False, remind_at__isnull=True
    )
    forgotten = 0
    while some := list(old.order_by("at").values_list("pk", flat=True)[:PURGE_BATCH]):
        forgotten += Event.objects.filter(pk__in=some).delete()[0]
    if forgotten:
        log.info("events_deleted", events=forgotten)
    return forgotten
