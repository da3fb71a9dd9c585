"""Ledger: takes the orders of a reservation, all of them by one statement.

The ORM makes an object of each order and a parameter of each of its fields, and that took longer than everything else
that is done for an order. Here a whole group is one parameter, a JSON document, which the database takes apart.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F, Field
from django.utils import timezone

from orders.models import Event, Order, new_order_numbers
from orders.outbox import add_to_outbox, reminder_time
from orders.outcomes import outcome_of
from seckill.catalog.models import Sale
from seckill.line.commands import Reservation
from seckill.line.outcome import Confirmed, Outcome
from seckill.timestamps import to_epoch_ms

Place = tuple[int, str]  #: (place, buyer)

ATTEMPTS_MAX = 10  # somebody else writes the same orders, or the shop changes the sale: each failure is their success

LOOKUP_BATCH = 100  # where PostgreSQL has no statistics yet, it would read all orders of a sale for many more buyers

_INSERT = """INSERT INTO orders_order (number, sale_id, buyer, place, price, currency, status, created_at, pay_before)
SELECT {number}, %(sale)s, {buyer}, {place}, %(price)s, %(currency)s, 'pending', %(created_at)s, %(pay_before)s
FROM {group}
"""
#: By database. The parameter ``group`` is a list of [number, buyer, place]; the others are the same for all of it.
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


class SaleChangedError(OperationalError):
    """The sale has no such units any more, has ended, or has another price than the orders that were written."""


def write_orders(reservation: Reservation) -> list[tuple[str, Outcome]]:
    """Write one order for each place of the claim; gives (buyer, outcome) of those that have one now.

    One transaction moves the orders and the sale's ``sold`` together, and records it. Buyers who have an order of this
    sale already keep that one. Where Redis promised more than the ledger has, a place that is somebody else's, or
    anything in a sale that has ended, the buyer is left out of the answer: Redis is wrong then, and has to be rebuilt.

    First everybody is written as if nobody had an order, which is how it nearly always is. The database refuses that
    where it is not: then those who have one are looked up, and left out.

    Raises:
        SaleChangedError, django.db.IntegrityError: `ATTEMPTS_MAX` times somebody else was faster.
        django.db.OperationalError: the ledger is away, or ended one of two transactions that waited for each other.
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
    """One attempt, in a transaction.

    The sale's row is locked by the last statement, so that workers of one sale write side by side. What was read of it
    before has to hold then still: else the attempt was for nothing, and is undone.
    """
    sale = Sale.objects.get(pk=reservation.sale_id)
    units = 0 if sale.ended_at else sale.stock - sale.sold
    present = _existing(reservation) if look_first or units < len(reservation.places) else []
    have_one = {order.buyer for order in present}
    taken = {order.place for order in present}
    fresh = [(place, buyer) for place, buyer in reservation.places if buyer not in have_one and place not in taken][
        :units
    ]
    decided: list[tuple[str, Outcome]] = [(order.buyer, outcome_of(order)) for order in present]
    if fresh:
        numbers = new_order_numbers(len(fresh))
        now = timezone.now()
        pay_before = now + timedelta(seconds=sale.pay_within_seconds)
        _insert(sale, fresh, numbers, now, pay_before)
        add_to_outbox(Event.Kind.CONFIRMED, sale.pk, numbers, remind_at=reminder_time(now, pay_before))
        _count(sale, len(fresh))
        until_ms = to_epoch_ms(pay_before)
        decided += [(buyer, Confirmed(number, until_ms)) for number, (_, buyer) in zip(numbers, fresh, strict=True)]
    claimed = {buyer for _, buyer in reservation.places}
    return [(buyer, outcome) for buyer, outcome in decided if buyer in claimed]


def _existing(reservation: Reservation) -> list[Order]:
    """The orders of the buyers of a reservation, and those at its places or between them."""
    fields = ("number", "buyer", "place", "status", "pay_before")
    orders = Order.objects.filter(sale=reservation.sale_id).order_by().only(*fields)
    found = list(orders.filter(place__range=(reservation.places[0][0], reservation.places[-1][0])))
    for start in range(0, len(reservation.places), LOOKUP_BATCH):
        buyers = [buyer for _, buyer in reservation.places[start : start + LOOKUP_BATCH]]
        found += orders.filter(buyer__in=buyers)
    return list({order.pk: order for order in found}.values())


def _insert(sale: Sale, places: Sequence[Place], numbers: Sequence[str], now: datetime, pay_before: datetime) -> None:
    """Write their orders. Raises django.db.IntegrityError if a buyer or a place has one already."""
    order = {"price": sale.price, "currency": sale.currency, "created_at": now, "pay_before": pay_before}
    same_for_all: dict[str, Any] = {name: _as_stored(name, value) for name, value in order.items()}
    group = json.dumps([(number, buyer, place) for number, (place, buyer) in zip(numbers, places, strict=True)])
    with connection.cursor() as cursor:
        cursor.execute(INSERT_BATCH[connection.vendor], {**same_for_all, "sale": sale.pk, "group": group})


def _as_stored(field: str, value: object) -> object:
    """The value as the ORM would hand it to this database."""
    found = cast("Field[Any, Any]", Order._meta.get_field(field))  # noqa: SLF001 (a documented API)
    return found.get_db_prep_save(value, connection)


def _count(sale: Sale, orders: int) -> None:
    """Add them to what is sold. Raises SaleChangedError if the sale is not any more what they were written for."""
    as_read = Sale.objects.filter(
        pk=sale.pk,
        ended_at__isnull=True,
        sold__lte=F("stock") - orders,
        price=sale.price,
        currency=sale.currency,
        pay_within_seconds=sale.pay_within_seconds,
    )
    if not as_read.update(sold=F("sold") + orders):
        raise SaleChangedError(f"sale {sale.pk} changed while orders were written")
