"""The ledger's tables. Django finds them here; each noun has its own file."""

from orders.models.audit import Audit
from orders.models.event import Event
from orders.models.export import Export
from orders.models.order import HOLDS_A_UNIT, NUMBER_ALPHABET, Order, is_number, new_number, new_numbers, on_their_way

__all__ = [
    "HOLDS_A_UNIT",
    "NUMBER_ALPHABET",
    "Audit",
    "Event",
    "Export",
    "Order",
    "is_number",
    "new_number",
    "new_numbers",
    "on_their_way",
]
