"""Rates, as written in settings."""

import pytest

from seckill.rate import Rate


@pytest.mark.parametrize(
    ("text", "limit", "window_seconds"),
    [
        ("60/min", 60, 60), ("60/m", 60, 60), ("60/minute", 60, 60), ("1/s", 1, 1), ("5/sec", 5, 1),
        ("30/hour", 30, 3600), ("2/day", 2, 86_400), ("999999999/d", 999_999_999, 86_400),
    ],
)  # fmt: skip
def test_a_rate_is_a_number_per_time(text: str, limit: int, window_seconds: int) -> None:
    assert Rate.parse(text) == Rate(limit, window_seconds)


@pytest.mark.parametrize(
    "text",
    ["", "60", "60/", "/min", "0/min", "060/min", "-1/min", "1.5/min", "60/week", "60/Min", "60 / min", "60/min\n",
     "6O/min", "60/2min", "9999999999/d", "60/min, 5/s"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number, at least 1, per s, min, h or d, such as 60/min"):
        Rate.parse(text)
