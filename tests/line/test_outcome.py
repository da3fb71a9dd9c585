"""Outcome: the result of a place, as stored in Redis."""

import pytest

from seckill.line.outcome import Confirmed, Outcome, Released, decode


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Confirmed("7K2Q-M9XD-4TPA", 1_893_456_000_123), "c 7K2Q-M9XD-4TPA 1893456000123"),
        (Released("cancelled"), "r cancelled"),
        (Released("expired"), "r expired"),
    ],
)
def test_an_outcome_is_read_as_it_was_written(outcome: Outcome, text: str) -> None:
    assert outcome.encode() == text
    assert decode(text) == outcome


@pytest.mark.parametrize(
    "text", ["", "c", "c 7K2Q-M9XD-4TPA", "c 7K2Q-M9XD-4TPA soon", "r", "r lost", "r expired twice", "x 1 2", "c  1 2"]
)
def test_anything_else_is_no_outcome(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an outcome|invalid literal"):
        decode(text)
