"""Ledger: write the orders of a reservation with one INSERT.

The ORM builds an object per order and a parameter per field, which took longer than all other work for an order. Here
the whole batch is one parameter: a JSON document that the database unpacks.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from orders.models import Event, Order, new_order_numbers
from orders.outbox import add_to_outbox, reminder_time
from orders.outcomes import outcome_of
from orders.stock import SaleChangedError, take
from seckill.catalog.models import Sale
from seckill.line.commands import Reservation
from seckill.line.outcome import Confirmed, Outcome
from seckill.timestamps import to_epoch_ms

if TYPE_CHECKING:
    from django.db.models import Field

Place = tuple[int, str]  #: (place, buyer)

ATTEMPTS_MAX = 10  # an attempt only fails if another writer of these orders, or a change of the sale, succeeded

LOOKUP_BATCH = 100  # with many more buyers, PostgreSQL without statistics reads all orders of the sale

_INSERT = """INSERT INTO orders_order (number, sale_id, buyer, place, price, currency, status, created_at, pay_before)
SELECT {number}, %(sale)s, {buyer}, {place}, %(price)s, %(currency)s, 'pending', %(created_at)s, %(pay_before)s
FROM {group}
"""
#: By database vendor. The parameter ``group`` is a list of [number, buyer, place]; other parameters apply to all rows.
INSERT_BATCH = {
    "postgresql": _INSERT.format(
        number="one ->> 0",
        buyer="one ->> 1",
        place="(one ->> 2)::bigint",
        group="jsonb_array_elements(%(group)s::jsonb) AS one",
    ),
    "sqlite": _INSERT.format(
        number="json_extract(value, '$[0]')",
        buyer="json_extract(value, '$[1]')",
        place="json_extract(value, '$[2]')",
        group="json_each(%(group)s)",
    ),
}


def write_orders(reservation: Reservation) -> list[tuple[str, Outcome]]:
    """Write one order per place of the reservation. Return (buyer, outcome) of each buyer who now has an order.

    One transaction writes the orders, the sale's ``sold`` and the outbox event. A buyer who already has an order of
    this sale keeps that order. A buyer is missing from the result if Redis reserved more units than the ledger has, a
    place that belongs to another buyer, or any place of an ended sale: the line is then wrong and must be rebuilt.

    The first attempt assumes that no buyer has an order, which is nearly always true. If the database rejects it, the
    next attempts look up existing orders first.

    Raises:
        SaleChangedError, django.db.IntegrityError: `ATTEMPTS_MAX` attempts lost against concurrent writers.
        django.db.OperationalError: the database is unreachable, or aborted the transaction because of a deadlock.
    """
    look_first = False
    for _ in range(ATTEMPTS_MAX - 1):
        try:
            with transaction.atomic():
                return _write(reservation, look_first=look_first)
        except (IntegrityError, SaleChangedError):
            look_first = True
    with transaction.atomic():
        return _write(reservation, look_first=True)


def _write(reservation: Reservation, *, look_first: bool) -> list[tuple[str, Outcome]]:
    """Make one attempt; call it in a transaction.

    Only the last statement locks the sale's row, so that workers of one sale write concurrently. That statement also
    checks that the sale is still as read; otherwise the attempt is rolled back.
    """
    sale = Sale.objects.get(pk=reservation.sale_id)
    units = 0 if sale.ended_at else sale.stock - sale.sold
    present = _existing(reservation) if look_first or units < len(reservation.places) else []
    have_one = {order.buyer for order in present}
    taken = {order.place for order in present}
    without = [(place, buyer) for place, buyer in reservation.places if buyer not in have_one and place not in taken]
    fresh = without[:units]
    decided: list[tuple[str, Outcome]] = [(order.buyer, outcome_of(order)) for order in present]
    if fresh:
        numbers = new_order_numbers(len(fresh))
        now = timezone.now()
        pay_before = now + timedelta(seconds=sale.pay_within_seconds)
        _insert(sale, fresh, numbers, now, pay_before)
        add_to_outbox(Event.Kind.CONFIRMED, sale.pk, numbers, remind_at=reminder_time(now, pay_before))
        take(sale, len(fresh))
        until_ms = to_epoch_ms(pay_before)
        decided += [(buyer, Confirmed(number, until_ms)) for number, (_, buyer) in zip(numbers, fresh, strict=True)]
    reserved = {buyer for _, buyer in reservation.places}
    return [(buyer, outcome) for buyer, outcome in decided if buyer in reserved]


def _existing(reservation: Reservation) -> list[Order]:
    """Return the orders of the reservation's buyers, and all orders from its first to its last place."""
    fields = ("number", "buyer", "place", "status", "pay_before")
    orders = Order.objects.filter(sale=reservation.sale_id).order_by().only(*fields)
    found = list(orders.filter(place__range=(reservation.places[0][0], reservation.places[-1][0])))
    for start in range(0, len(reservation.places), LOOKUP_BATCH):
        buyers = [buyer for _, buyer in reservation.places[start : start + LOOKUP_BATCH]]
        found += orders.filter(buyer__in=buyers)
    return list({order.pk: order for order in found}.values())


def _insert(sale: Sale, places: Sequence[Place], numbers: Sequence[str], now: datetime, pay_before: datetime) -> None:
    """Insert one order per place.

    Raises:
        django.db.IntegrityError: a buyer or a place already has an order.
    """
    order = {"price": sale.price, "currency": sale.currency, "created_at": now, "pay_before": pay_before}
    same_for_all: dict[str, Any] = {name: _as_stored(name, value) for name, value in order.items()}
    group = json.dumps([(number, buyer, place) for number, (place, buyer) in zip(numbers, places, strict=True)])
    with connection.cursor() as cursor:
        cursor.execute(INSERT_BATCH[connection.vendor], {**same_for_all, "sale": sale.pk, "group": group})


def _as_stored(field: str, value: object) -> object:
    """Return the value as the ORM passes it to this database."""
    found = cast("Field[Any, Any]", Order._meta.get_field(field))  # noqa: SLF001 (a documented API)
    return found.get_db_prep_save(value, connection)
