"""Waiting for a condition, with a time limit that only ends a wait that hangs."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

WAIT_SECONDS_MAX = 120  # generous, for slow and busy machines
INTERVAL_SECONDS = 0.05
INTERVAL_ON_LOOP_SECONDS = 0.005  # on an event loop a look costs less

T = TypeVar("T")


def wait_until(
    what: str,
    condition: Callable[[], T],
    seconds_max: float = WAIT_SECONDS_MAX,
    *,
    interval_seconds: float = INTERVAL_SECONDS,
) -> T:
    """Call ``condition`` until it returns a true value, and return that value.

    Raises:
        TimeoutError: it did not within ``seconds_max``; the message contains ``what``.
    """
    give_up_at = time.monotonic() + seconds_max
    while not (found := condition()):
        _check(what, seconds_max, give_up_at)
        time.sleep(interval_seconds)
    return found


@overload
async def wait_until_async(
    what: str,
    condition: Callable[[], Awaitable[T]],
    seconds_max: float = ...,
    *,
    interval_seconds: float = ...,
) -> T: ...
@overload
async def wait_until_async(
    what: str,
    condition: Callable[[], T],
    seconds_max: float = ...,
    *,
    interval_seconds: float = ...,
) -> T: ...
async def wait_until_async(
    what: str,
    condition: Callable[[], Any],
    seconds_max: float = WAIT_SECONDS_MAX,
    *,
    interval_seconds: float = INTERVAL_ON_LOOP_SECONDS,
) -> Any:
    """Do the same on an event loop. ``condition`` may be a coroutine function.

    Raises:
        TimeoutError: as `wait_until`.
    """
    give_up_at = time.monotonic() + seconds_max
    while True:
        outcome = condition()
        found = await outcome if inspect.isawaitable(outcome) else outcome
        if found:
            return found
        _check(what, seconds_max, give_up_at)
        await asyncio.sleep(interval_seconds)


def _check(what: str, seconds_max: float, give_up_at: float) -> None:
    if time.monotonic() > give_up_at:
        raise TimeoutError(f"not within {seconds_max} s: {what}")
