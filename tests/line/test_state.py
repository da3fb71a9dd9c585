"""State: a sale's public state, from its window, its status and its stock."""

import pytest

from seckill.line.state import State, state_at

OPENS, CLOSES = 1000, 2000


@pytest.mark.parametrize(
    ("now_ms", "status", "units_left", "ended", "state"),
    [
        # The window of an open sale with units.
        (999, "open", 3, False, State.SCHEDULED),
        (1000, "open", 3, False, State.OPEN),
        (1999, "open", 3, False, State.OPEN),
        (2000, "open", 3, False, State.CLOSED),
        # No unit left.
        (999, "open", 0, False, State.SCHEDULED),
        (1000, "open", 1, False, State.OPEN),
        (1000, "open", 0, False, State.SOLD_OUT),
        (1000, "open", -2, False, State.SOLD_OUT),
        (2000, "open", 0, False, State.CLOSED),
        # Paused by the shop.
        (999, "paused", 3, False, State.PAUSED),
        (1500, "paused", 3, False, State.PAUSED),
        (1500, "paused", 0, False, State.PAUSED),
        (2000, "paused", 3, False, State.CLOSED),
        # Closed by the shop.
        (999, "closed", 3, False, State.CLOSED),
        (1500, "closed", 0, True, State.CLOSED),
        # Ended: no waiting buyer can win.
        (999, "open", 3, True, State.SOLD_OUT),
        (1500, "open", 3, True, State.SOLD_OUT),
        (1500, "paused", 3, True, State.SOLD_OUT),
        (2000, "open", 3, True, State.CLOSED),
    ],
)
def test_what_a_buyer_sees(now_ms: int, status: str, units_left: int, ended: bool, state: State) -> None:
    seen = state_at(now_ms, opens_ms=OPENS, closes_ms=CLOSES, status=status, units_left=units_left, ended=ended)

    assert seen is state
