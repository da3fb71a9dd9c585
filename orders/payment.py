"""Payment: of pay, cancel and expire exactly one wins, by a conditional UPDATE."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from orders.models import Event, Order
from orders.outbox import add_to_outbox
from seckill.catalog.models import Sale


class OrderDecidedError(Exception):
    """The order is not waiting for payment any more."""

    def __init__(self, order: Order) -> None:
        super().__init__(f"order {order.number} is {order.status}")
        self.order = order


def pay(order: Order) -> Order:
    """Take the (simulated) payment of a pending order; paying again what is paid is fine.

    Raises OrderDecidedError when it was cancelled, has expired, or its time to pay is over.
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
    """Give a pending order's unit back to the ledger; cancelling again what is cancelled is fine.

    The unit is back in the line after `orders.expiry.release_units`. Raises OrderDecidedError when it was paid or has
    expired.
    """
    with transaction.atomic():
        Sale.objects.select_for_update().get(pk=order.sale_id)
        cancelled = Order.objects.filter(pk=order.pk, status=Order.Status.PENDING).update(
            status=Order.Status.CANCELLED, status_changed_at=timezone.now()
        )
        if cancelled:
            Sale.objects.filter(pk=order.sale_id).update(sold=F("sold") - 1)
            add_to_outbox(Event.Kind.CANCELLED, order.sale_id, [order.number])
    order.refresh_from_db()
    if order.status != Order.Status.CANCELLED:
        raise OrderDecidedError(order)
    return order
