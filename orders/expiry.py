"""Expiry: expire unpaid orders, and return the units of cancelled and expired orders to the line."""

import structlog
from django.db import transaction
from django.utils import timezone

from orders.models import Event, Order, unreleased_orders
from orders.outbox import add_to_outbox
from orders.stock import give_back
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.line import Line
from seckill.line.outcome import Released

log = structlog.get_logger(__name__)

RELEASE_CHUNK = 500
EXPIRE_CHUNK = 500  # orders expired per transaction


def expire_overdue_orders() -> int:
    """Expire pending orders whose ``pay_before`` has passed. Return the number of expired orders."""
    expired = 0
    overdue = Order.objects.filter(status=Order.Status.PENDING, pay_before__lte=timezone.now())
    for sale_id in list(overdue.order_by().values_list("sale", flat=True).distinct()):
        while ended := _expire(sale_id):
            log.info("orders_expired", sale=sale_id, orders=ended)
            expired += ended
    return expired


def _expire(sale_id: int) -> int:
    """Expire at most `EXPIRE_CHUNK` overdue orders of a sale. Return the number of expired orders.

    The rows are locked first, so that the outbox event lists exactly the expired orders. A row locked by another
    transaction is being paid: it is skipped, and the next sweep checks it again.
    """
    with transaction.atomic():
        Sale.objects.select_for_update().get(pk=sale_id)
        now = timezone.now()
        orders = list(
            Order.objects.filter(sale=sale_id, status=Order.Status.PENDING, pay_before__lte=now)
            .order_by("place")
            .only("number")
            .select_for_update(skip_locked=True)[:EXPIRE_CHUNK]
        )
        if orders:
            Order.objects.filter(pk__in=[order.pk for order in orders]).update(
                status=Order.Status.EXPIRED, status_changed_at=now
            )
            give_back(sale_id, len(orders))
            add_to_outbox(Event.Kind.EXPIRED, sale_id, [order.number for order in orders])
    return len(orders)


def release_units(line: Line) -> list[int]:
    """Return the units of cancelled and expired orders to their lines, at most `RELEASE_CHUNK` per sale.

    A unit stays pending in the ledger (``released_at`` is NULL) until Redis has it, so a crash in between loses none.
    The line accepts each unit once.

    Returns:
        The ids of the sales whose doorbell should ring.
    """
    rung = []
    for sale_id in list(unreleased_orders().order_by().values_list("sale", flat=True).distinct()):
        try:
            with transaction.atomic():
                Sale.objects.select_for_update().get(pk=sale_id)
                orders = list(unreleased_orders().filter(sale=sale_id).order_by("place")[:RELEASE_CHUNK])
                line.run(commands.release(sale_id, [(order.buyer, _released(order)) for order in orders]))
                Order.objects.filter(pk__in=[order.pk for order in orders]).update(released_at=timezone.now())
        except commands.SaleNotLoadedError:
            continue  # the rebuild includes these units and marks them released
        rung.append(sale_id)
    return rung


def _released(order: Order) -> Released:
    return Released("cancelled" if order.status == Order.Status.CANCELLED else "expired")
