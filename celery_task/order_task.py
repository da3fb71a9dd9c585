"""Order tasks: settle when the doorbell rings, and the sweeps that need no bell."""

from typing import Any

import redis
import structlog
from celery import shared_task
from django.db import OperationalError

from celery_task.runtime.publishing import PUBLISH_OPTIONS
from orders.expiry import expire_overdue_orders, release_units
from orders.models import Audit, Order, is_order_number
from orders.payment import OrderDecidedError, cancel
from orders.reconciliation import reconcile
from orders.settlement import settle
from orders.sweep import sweep
from seckill.catalog.models import Sale
from seckill.line.commands import SaleNotLoadedError
from seckill.line.line import get_line

log = structlog.get_logger(__name__)

# A server that is away is worth another try soon; after these the sweeper keeps ringing anyway.
TRANSIENT_ERRORS = (OperationalError, redis.ConnectionError, redis.TimeoutError)
RETRY_POLICY: dict[str, Any] = {
    "autoretry_for": TRANSIENT_ERRORS,
    "retry_backoff": 1,
    "retry_backoff_max": 8,
    "retry_jitter": True,
    "max_retries": 4,
}


@shared_task(**RETRY_POLICY)
def settle_orders(sale_id: int, upto: int) -> None:
    """The doorbell: settle sale ``sale_id`` up to place ``upto`` at least. Twice, late or in disorder does no harm.

    Whoever has joined since the bell was rung is settled with the others: workers that fall behind take larger groups,
    and the bells for those people find nothing left to do.
    """
    line = get_line()
    try:
        settle(line, sale_id, max(upto, line.length(sale_id)))
    except SaleNotLoadedError:
        log.warning("sale_not_loaded", sale=sale_id)  # the sweeper rebuilds it, and rings again


def ring(sale_id: int, upto: int) -> None:
    """Ask a worker to settle a sale up to a place.

    Raises kombu.exceptions.OperationalError or OSError when the broker is away or does not answer in time.
    """
    settle_orders.apply_async((sale_id, upto), **PUBLISH_OPTIONS)


@shared_task
def ring_doorbells() -> None:
    """Every second: whatever bell got lost, ring it again."""
    for doorbell in sweep(get_line()):
        ring(doorbell.sale_id, doorbell.upto)


@shared_task
def expire_unpaid_orders() -> None:
    """Every two seconds: end unpaid orders; give the units of ended and cancelled ones to the next in line."""
    expire_overdue_orders()
    line = get_line()
    for sale_id in release_units(line):
        ring(sale_id, line.length(sale_id))


@shared_task(**RETRY_POLICY)
def cancel_order(number: str) -> None:
    """For other programs, by name: give an order back that is still to be paid; one that is decided stays as it is.

    A number that is none is logged: trying again would not help.
    """
    order = Order.objects.filter(number=number).first() if is_order_number(number) else None
    if order is None:
        log.error("order_unknown", number=repr(number)[:50])
        return
    try:
        cancel(order)
    except OrderDecidedError as error:
        log.info("order_decided", status=error.order.status)


@shared_task
def reconcile_sales() -> None:
    """Every half minute: where the line and the ledger disagree, the ledger wins."""
    line = get_line()
    for sale_id in Sale.objects.filter(ended_at__isnull=True).values_list("pk", flat=True):
        reconcile(line, sale_id, by=Audit.By.BEAT)
