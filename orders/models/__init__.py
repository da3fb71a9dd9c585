"""Models of the ledger, re-exported for Django. Each model has its own module."""

from orders.models.audit import Audit
from orders.models.event import Event
from orders.models.export import Export
from orders.models.order import (
    ACTIVE_STATUSES,
    NUMBER_ALPHABET,
    Order,
    is_order_number,
    new_order_number,
    new_order_numbers,
    unreleased_orders,
)

__all__ = [
    "ACTIVE_STATUSES",
    "NUMBER_ALPHABET",
    "Audit",
    "Event",
    "Export",
    "Order",
    "is_order_number",
    "new_order_number",
    "new_order_numbers",
    "unreleased_orders",
]
