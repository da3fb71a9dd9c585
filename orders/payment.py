"""Payment and cancellation. A conditional UPDATE ensures that exactly one of pay, cancel and expire succeeds."""

from django.db import transaction
from django.utils import timezone

from orders.models import Event, Order
from orders.outbox import add_to_outbox
from orders.stock import give_back
from seckill.catalog.models import Sale


class OrderDecidedError(Exception):
    """The order is no longer waiting for payment."""

    def __init__(self, order: Order) -> None:
        super().__init__(f"order {order.number} is {order.status}")
        self.order = order


def pay(order: Order) -> Order:
    """Take the (simulated) payment of a pending order. Idempotent.

    Raises:
        OrderDecidedError: the order was cancelled, has expired, or its time to pay is over.
    """
    now = timezone.now()
    with transaction.atomic():
        if Order.objects.filter(pk=order.pk, status=Order.Status.PENDING, pay_before__gt=now).update(
            status=Order.Status.PAID, status_changed_at=now
        ):
            add_to_outbox(Event.Kind.PAID, order.sale_id, [order.number])
    order.refresh_from_db()
    if order.status != Order.Status.PAID:
        raise OrderDecidedError(order)
    return order


def cancel(order: Order) -> Order:
    """Cancel a pending order and return its unit to the ledger. Idempotent.

    `orders.expiry.release_units` returns the unit to the line later.

    Raises:
        OrderDecidedError: the order was paid or has expired.
    """
    with transaction.atomic():
        Sale.objects.select_for_update().get(pk=order.sale_id)
        cancelled = Order.objects.filter(pk=order.pk, status=Order.Status.PENDING).update(
            status=Order.Status.CANCELLED, status_changed_at=timezone.now()
        )
        if cancelled:
            give_back(order.sale_id, 1)
            add_to_outbox(Event.Kind.CANCELLED, order.sale_id, [order.number])
    order.refresh_from_db()
    if order.status != Order.Status.CANCELLED:
        raise OrderDecidedError(order)
    return order
