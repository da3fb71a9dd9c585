"""Order tasks: settlement when a doorbell rings, periodic sweeps, and the cancellation of one order."""

import structlog
from celery import shared_task

from celery_task.runtime.publishing import PUBLISH_OPTIONS
from celery_task.runtime.retries import RETRY_POLICY, TRANSIENT_ERRORS
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


@shared_task(autoretry_for=TRANSIENT_ERRORS, **RETRY_POLICY)
def settle_orders(sale_id: int, upto: int) -> None:
    """Settle sale ``sale_id`` at least up to place ``upto``. Repeated, late and reordered doorbells are safe.

    Buyers who joined since the doorbell rang are settled too: workers that fall behind take larger batches, and later
    doorbells for the same places do nothing.
    """
    line = get_line()
    try:
        settle(line, sale_id, max(upto, line.length(sale_id)))
    except SaleNotLoadedError:
        log.warning("sale_not_loaded", sale=sale_id)  # the sweeper loads the sale and rings again


def ring(sale_id: int, upto: int) -> None:
    """Send the task that settles a sale up to a place.

    Raises:
        kombu.exceptions.OperationalError, OSError: the broker is unavailable or too slow.
    """
    settle_orders.apply_async((sale_id, upto), **PUBLISH_OPTIONS)


@shared_task
def ring_doorbells() -> None:
    """Sweep all sales, and ring the doorbell of each that has buyers to settle (every second)."""
    for due in sweep(get_line()):
        ring(due.sale_id, due.upto)


@shared_task
def expire_unpaid_orders() -> None:
    """Expire unpaid orders; release the units of expired and cancelled ones to the next in line (every 2 s)."""
    expire_overdue_orders()
    line = get_line()
    for sale_id in release_units(line):
        ring(sale_id, line.length(sale_id))


@shared_task(autoretry_for=TRANSIENT_ERRORS, **RETRY_POLICY)
def cancel_order(number: str) -> None:
    """Cancel a pending order. Other programs send this task by name; paid or cancelled orders stay unchanged.

    An unknown order number is logged and not retried.
    """
    order = Order.objects.filter(number=number).first() if is_order_number(number) else None
    if order is None:
        log.error("order_not_found", number=repr(number)[:50])
        return
    try:
        cancel(order)
    except OrderDecidedError as error:
        log.info("order_decided", status=error.order.status)


@shared_task
def reconcile_sales() -> None:
    """Compare each sale that has not ended with the ledger; rebuild lines that differ (every 30 s)."""
    line = get_line()
    for sale_id in Sale.objects.filter(ended_at__isnull=True).values_list("pk", flat=True):
        reconcile(line, sale_id, by=Audit.By.BEAT)
