"""ModelLedger: the sale's row and its orders, as the ledger promises to keep them."""

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
    released: bool = False  #: the unit given back is in the line again

    @property
    def outcome(self) -> Outcome:
        """What it means to the buyer. An order's number is random; here it is the order's place, which is unique."""
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
        """One that stays as this is now."""
        return replace(self, orders={**self.orders})

    def of(self, buyer: str) -> Entry | None:
        """The buyer's order."""
        return next((order for order in self.orders.values() if order.buyer == buyer), None)

    def by_place(self) -> list[Entry]:
        """All orders, ascending."""
        return [self.orders[place] for place in sorted(self.orders)]

    def on_their_way(self) -> list[Entry]:
        """Orders given back whose units are not in the line again."""
        return [order for order in self.by_place() if order.status not in HOLDING and not order.released]


class ModelLedger:
    """Changes the books in transactions."""

    def __init__(self, config: SaleConfig, pay_within_ms: int) -> None:
        self.books = Books(config)
        self.pay_within_ms = pay_within_ms

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what happens in here."""
        before = self.books.copy()
        try:
            yield
        except BaseException:
            self.books = before
            raise

    def write(self, claim: Reservation, now_ms: int) -> dict[str, Outcome]:
        """An order for each place of a claim; gives the outcomes of the buyers who have one now."""
        books = self.books
        for place, buyer in claim.places:
            if books.of(buyer) is None and place not in books.orders and self.may_sell():
                books.orders[place] = Entry(buyer, place, Order.Status.PENDING, now_ms + self.pay_within_ms)
                books.sold += 1
        found = {buyer: books.of(buyer) for _, buyer in claim.places}
        return {buyer: order.outcome for buyer, order in found.items() if order is not None}

    def may_sell(self) -> bool:
        """The guard: whatever the line says, no more is sold than there is, and nothing once the sale has ended."""
        return self.books.ended_ms is None and self.units_left() > 0

    def units_left(self) -> int:
        """Units that no order holds."""
        return self.books.config.stock_total - self.books.sold

    def decide(self, place: int, status: Order.Status) -> None:
        """A pending order is paid, cancelled or expired; nothing happens to any other."""
        order = self.books.orders[place]
        if order.status == Order.Status.PENDING:
            self.books.orders[place] = replace(order, status=status)
            self.books.sold -= status not in HOLDING

    def tick_off(self, orders: list[Entry]) -> None:
        """Their units are back in the line."""
        for order in orders:
            self.books.orders[order.place] = replace(order, released=True)
