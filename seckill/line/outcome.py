"""Outcome: what the ledger has decided about a buyer's place."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The buyer has an order."""

    order: str  #: order number
    pay_before_ms: int  #: milliseconds since 1970, UTC

    def encode(self) -> str:
        """Return the outcome as Redis stores it."""
        return f"c {self.order} {self.pay_before_ms}"


@dataclass(frozen=True, slots=True)
class Released:
    """The buyer's order was cancelled or expired, and its unit went back to the stock."""

    reason: Literal["cancelled", "expired"]

    def encode(self) -> str:
        """Return the outcome as Redis stores it."""
        return f"r {self.reason}"


Outcome = Confirmed | Released


@lru_cache(maxsize=4096)  # a client polls a decided ticket many times
def decode(text: str) -> Outcome:
    """Return the outcome that `encode` wrote.

    Raises:
        ValueError: ``text`` is not an encoded outcome.
    """
    match text.split(" "):
        case ["c", order, pay_before_ms]:
            return Confirmed(order, int(pay_before_ms))
        case ["r", "cancelled" | "expired" as reason]:
            return Released(reason)
    raise ValueError(f"not an outcome: {text!r}")
