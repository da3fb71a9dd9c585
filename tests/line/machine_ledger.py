"""A simple ledger that stands in for the database, and a worker at it."""

from dataclasses import dataclass, field

from seckill.line.commands import Reservation
from seckill.line.outcome import Confirmed, Outcome, Released
from tests.line.sale_in_line import PAY_BEFORE_MS


@dataclass
class Order:
    """A row of the ledger."""

    buyer: str
    place: int
    number: str
    given_back: bool = False
    released: bool = False  #: whether its unit was released to the line

    @property
    def outcome(self) -> Outcome:
        return Released("cancelled") if self.given_back else Confirmed(self.number, PAY_BEFORE_MS)


@dataclass
class Ledger:
    """The orders as in SQL: one per buyer, one per place, and never more active ones than units."""

    stock: int
    epoch: int = 0
    orders: list[Order] = field(default_factory=list)

    @property
    def sold(self) -> int:
        return sum(not order.given_back for order in self.orders)

    def of(self, buyer: str) -> Order | None:
        return next((order for order in self.orders if order.buyer == buyer), None)

    def write(self, claim: Reservation) -> dict[str, Outcome]:
        """As `orders.settlement.write_orders`: return the outcomes of reserved buyers who have an order now."""
        taken = {order.place for order in self.orders}
        fresh = [
            Order(buyer, place, f"{len(self.orders)}-{place}")
            for place, buyer in claim.places
            if self.of(buyer) is None and place not in taken
        ]
        self.orders += fresh[: self.stock - self.sold]
        return {buyer: order.outcome for _, buyer in claim.places if (order := self.of(buyer)) is not None}


@dataclass
class Work:
    """A worker's reservation in progress."""

    claim: Reservation
    decided: dict[str, Outcome] | None = None  #: the ledger's outcomes; None before they are written
