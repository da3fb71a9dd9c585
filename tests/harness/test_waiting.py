"""Waiting for a condition."""

import itertools

import pytest

from devtools.waiting import wait_until, wait_until_async


def test_it_returns_what_the_condition_returned() -> None:
    numbers = itertools.count()

    assert wait_until("a third look", lambda: next(numbers) == 2 and "found", interval_seconds=0) == "found"
    assert next(numbers) == 3


def test_the_error_says_what_was_awaited() -> None:
    with pytest.raises(TimeoutError, match="not within 0 s: the moon"):
        wait_until("the moon", lambda: None, 0)


async def test_on_an_event_loop_the_condition_may_be_a_coroutine_function() -> None:
    numbers = itertools.count()

    async def look() -> str:
        return "found" if next(numbers) == 2 else ""

    assert await wait_until_async("a third look", look, interval_seconds=0) == "found"
    assert await wait_until_async("a look", lambda: next(numbers), interval_seconds=0) == 3
    with pytest.raises(TimeoutError, match="not within 0 s: the moon"):
        await wait_until_async("the moon", lambda: None, 0)
