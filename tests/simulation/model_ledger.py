"""ModelLedger: a model of the sale's row and its orders."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from orders.models import Order
from seckill.line.commands import Reservation, SaleConfig
from seckill.line.outcome import Confirmed, Outcome, Released

HOLDING = (Order.Status.PENDING, Order.Status.PAID)


@dataclass(frozen=True)
class Entry:
    """One order."""

    buyer: str
    place: int
    status: str
    pay_before_ms: int
    released: bool = False  #: whether the released unit is in the line again

    @property
    def outcome(self) -> Outcome:
        """Return the outcome of the buyer.

        Real order numbers are random; here the number is the place, which is unique.
        """
        if self.status in HOLDING:
            return Confirmed(f"#{self.place}", self.pay_before_ms)
        return Released("cancelled" if self.status == Order.Status.CANCELLED else "expired")


@dataclass
class Books:
    """Everything the ledger keeps about a sale."""

    config: SaleConfig
    sold: int = 0
    epoch: int = 0
    ended_ms: int | None = None
    orders: dict[int, Entry] = field(default_factory=dict)  #: by place

    def copy(self) -> "Books":
        """Return an independent copy."""
        return replace(self, orders={**self.orders})

    def of(self, buyer: str) -> Entry | None:
        """Return the buyer's order."""
        return next((order for order in self.orders.values() if order.buyer == buyer), None)

    def by_place(self) -> list[Entry]:
        """Return all orders, ascending."""
        return [self.orders[place] for place in sorted(self.orders)]

    def on_their_way(self) -> list[Entry]:
        """Return cancelled and expired orders whose units are not in the line again."""
        return [order for order in self.by_place() if order.status not in HOLDING and not order.released]


class ModelLedger:
    """Changes the books in transactions."""

    def __init__(self, config: SaleConfig, pay_within_ms: int) -> None:
        self.books = Books(config)
        self.pay_within_ms = pay_within_ms

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Roll back the block's changes when it raises."""
        before = self.books.copy()
        try:
            yield
        except BaseException:
            self.books = before
            raise

    def write(self, claim: Reservation, now_ms: int) -> dict[str, Outcome]:
        """Write an order for each place of a reservation; return the outcomes of buyers who have an order now."""
        books = self.books
        for place, buyer in claim.places:
            if books.of(buyer) is None and place not in books.orders and self.may_sell():
                books.orders[place] = Entry(buyer, place, Order.Status.PENDING, now_ms + self.pay_within_ms)
                books.sold += 1
        found = {buyer: books.of(buyer) for _, buyer in claim.places}
        return {buyer: order.outcome for buyer, order in found.items() if order is not None}

    def may_sell(self) -> bool:
        """The guard: never sell more than the stock, and nothing after the sale's end, whatever the line says."""
        return self.books.ended_ms is None and self.units_left() > 0

    def units_left(self) -> int:
        """Return the units that no order holds."""
        return self.books.config.stock_total - self.books.sold

    def decide(self, place: int, status: Order.Status) -> None:
        """Pay, cancel or expire an order if it is pending; do nothing to any other."""
        order = self.books.orders[place]
        if order.status == Order.Status.PENDING:
            self.books.orders[place] = replace(order, status=status)
            self.books.sold -= status not in HOLDING

    def tick_off(self, orders: list[Entry]) -> None:
        """Mark the orders' units as released."""
        for order in orders:
            self.books.orders[order.place] = replace(order, released=True)
