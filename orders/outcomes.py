"""Outcome: translates an order into the outcome that the line stores."""

from orders.models import Order
from seckill.line.outcome import Confirmed, Outcome, Released
from seckill.timestamps import to_epoch_ms


def outcome_of(order: Order) -> Outcome:
    """Return the outcome that the line stores for this order."""
    match order.status:
        case Order.Status.PENDING | Order.Status.PAID:
            return Confirmed(order.number, to_epoch_ms(order.pay_before))
        case Order.Status.CANCELLED:
            return Released("cancelled")
        case _:
            return Released("expired")
