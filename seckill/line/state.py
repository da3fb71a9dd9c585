"""The state a buyer sees, from the window, the shop's wish and the stock."""

from enum import StrEnum

from seckill.catalog.models import Sale


class State(StrEnum):
    """What a sale page shows."""

    SCHEDULED = "scheduled"  #: opens later
    OPEN = "open"  #: admits buyers and has units left
    SOLD_OUT = (
        "sold_out"  #: no unit left; who joins now is on the waitlist, until it is certain that nothing comes back
    )
    PAUSED = "paused"  #: the shop holds admission for a moment
    CLOSED = "closed"  #: the window is over, or the shop ended the sale


def state_at(now_ms: int, *, opens_ms: int, closes_ms: int, status: str, units_left: int, ended: bool) -> State:
    """The state at ``now_ms`` (all times in milliseconds since 1970, UTC)."""
    if status == Sale.Status.CLOSED or now_ms >= closes_ms:
        return State.CLOSED
    if ended:
        return State.SOLD_OUT
    if status == Sale.Status.PAUSED:
        return State.PAUSED
    if now_ms < opens_ms:
        return State.SCHEDULED
    return State.OPEN if units_left > 0 else State.SOLD_OUT
