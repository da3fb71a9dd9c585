"""Outcome: what became of a place that the ledger has decided."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The buyer has an order."""

    order: str  #: order number
    pay_before_ms: int  #: milliseconds since 1970, UTC

    def encode(self) -> str:
        """As the line stores it."""
        return f"c {self.order} {self.pay_before_ms}"


@dataclass(frozen=True, slots=True)
class Released:
    """The buyer had an order; its unit went back."""

    reason: Literal["cancelled", "expired"]

    def encode(self) -> str:
        """As the line stores it."""
        return f"r {self.reason}"


Outcome = Confirmed | Released


@lru_cache(maxsize=4096)  # a client polls a decided ticket many times
def decode(text: str) -> Outcome:
    """The outcome that `encode` wrote. Raises ValueError for anything else."""
    match text.split(" "):
        case ["c", order, pay_before_ms]:
            return Confirmed(order, int(pay_before_ms))
        case ["r", "cancelled" | "expired" as reason]:
            return Released(reason)
    raise ValueError(f"not an outcome: {text!r}")
