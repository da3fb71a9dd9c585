"""A case: one sale, one crowd, one fault, and the invariants checked afterwards."""

import os
import random
import time
from collections.abc import Callable
from typing import Self

from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from tests.faults.crowd import POLL_SECONDS, Crowd
from tests.faults.shop import FaultyShop

BUYERS = 120
STOCK = 40
ARRIVE_SECONDS = 2.0
RECOVERY_SECONDS_MAX = 10.0
#: Recovery times are judged only by `make faults`, which runs alone. In other runs the limit only ends a hang.
JUDGED = "FAULTS_TABLE" in os.environ


def new_seed() -> int:
    """Return the seed of a case: SEED from the environment to replay one, else a random one."""
    return int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))


class Case:
    """Opens a sale, lets a crowd in, waits until the shop has recovered, and audits the sale."""

    def __init__(
        self,
        shop: FaultyShop,
        *,
        seed: int,
        tell: Callable[[str], None],
        buyers: int = BUYERS,
        stock: int = STOCK,
        within_seconds: float = ARRIVE_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        held_back: int = 0,
    ) -> None:
        self.shop = shop
        self.stock = stock
        self.seed = seed
        self.random = random.Random(seed)
        self.sale = shop.new_sale(stock=stock)
        self.buyers = shop.buyers(self.sale, buyers)
        self.crowd = Crowd(
            shop.address, self.sale, self.buyers, within_seconds=within_seconds, seed=seed, poll_seconds=poll_seconds,
            held_back=held_back,
        )  # fmt: skip
        self._tell = tell
        self.broken_at = 0.0  #: by the monotonic clock, seconds

    def __enter__(self) -> Self:
        self.crowd.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.crowd.__exit__(*exception)

    def await_accepted(self, count: int) -> None:
        """Return when ``count`` buyers hold a ticket."""
        wait_until(f"{count} buyers are accepted", lambda: len(self.crowd.accepted) >= count)

    @staticmethod
    def now() -> float:
        """Return seconds of the monotonic clock."""
        return time.monotonic()

    def broken(self) -> None:
        """Start measuring the time until recovery."""
        self.broken_at = self.now()

    def recovers(self, *, within_seconds: float = RECOVERY_SECONDS_MAX) -> None:
        """Wait until the shop has recovered, check the time since the fault where times are judged, then audit
        everything.
        """
        sold = min(self.stock, len(self.buyers))
        left = within_seconds - (self.now() - self.broken_at) if JUDGED else WAIT_SECONDS_MAX
        try:
            wait_until("all is well", lambda: self.shop.at_rest(self.sale, self.crowd, sold), seconds_max=left)
        except TimeoutError:
            self.audit()  # raises with the reason; if nothing is wrong any more, the recovery was too late
            raise
        self._tell(f"{self.now() - self.broken_at:.1f}")
        self.audit()

    @staticmethod
    def took(seconds: float, *, at_most: float) -> None:
        """Check a duration where times are judged."""
        assert seconds < at_most or not JUDGED

    def audit(self) -> None:
        """Check every invariant."""
        sold = min(self.stock, len(self.buyers))
        assert self.shop.books(self.sale) == {
            "stock": self.stock, "sold": sold, "active_orders": sold, "left": self.stock - sold, "reservations": 0,
        }  # fmt: skip
        orders = self.shop.orders(self.sale)
        by_buyer = {buyer: place for place, buyer, _ in orders}
        assert len(by_buyer) == len(orders) == sold  # one order per buyer
        assert self.shop.confirmations(self.sale) == self.shop.numbers(self.sale)  # one event per order
        silent = [buyer.name for buyer in self.crowd.accepted if not buyer.outcome]
        assert silent == [], f"accepted, and never told: {self.crowd.answers}"
        assert len(self.crowd.accepted) == len(self.buyers), self.crowd.answers
        assert {buyer.name for buyer in self.crowd.with_status("confirmed")} == by_buyer.keys()
        self.audit_places(by_buyer)

    def audit_places(self, by_buyer: dict[str, int]) -> None:
        """Check first come, first served: one place per buyer, orders keep their places, and the first places won."""
        assert sorted(buyer.place for buyer in self.buyers) == list(range(1, len(self.buyers) + 1))
        assert {buyer.name: buyer.place for buyer in self.crowd.with_status("confirmed")} == by_buyer
        assert [buyer.place for buyer in self.crowd.with_status("confirmed")] == list(range(1, len(by_buyer) + 1))
