"""State: what a buyer sees of a sale, derived from its window, the shop's status and the stock."""

from enum import StrEnum

from seckill.catalog.models import Sale


class State(StrEnum):
    """The state of a sale that its page shows."""

    SCHEDULED = "scheduled"  #: opens later
    OPEN = "open"  #: admits buyers and has units left
    SOLD_OUT = "sold_out"  #: no unit left; new buyers join the waitlist until the sale has ended
    PAUSED = "paused"  #: the shop has paused the sale
    CLOSED = "closed"  #: the window is over, or the shop has closed the sale


def state_at(now_ms: int, *, opens_ms: int, closes_ms: int, status: str, units_left: int, ended: bool) -> State:
    """Return the state at ``now_ms``. All times are milliseconds since 1970, UTC."""
    if status == Sale.Status.CLOSED or now_ms >= closes_ms:
        return State.CLOSED
    if ended:
        return State.SOLD_OUT
    if status == Sale.Status.PAUSED:
        return State.PAUSED
    if now_ms < opens_ms:
        return State.SCHEDULED
    return State.OPEN if units_left > 0 else State.SOLD_OUT
