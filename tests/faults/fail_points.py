"""Fail points: moments on the way of a purchase at which a test can stop whoever comes by, once.

A point is armed by a file of its name. The first process to reach it takes the file away by renaming it, so that nobody
else stops there, writes its own number into it, and stands still until the test removes it or kills the process.
"""

import functools
import os
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any


class FailPoint(StrEnum):
    """The moments, in the order of a purchase's way."""

    ADMITTED = "after admit"  #: the place is in the line; neither buyer nor broker knows
    PUBLISHED = "after publish"  #: the doorbell is with the broker
    RESERVED = "after reserve"  #: places are claimed; the ledger does not know
    INSERTED = "after INSERT before commit"  #: in a transaction that nobody sees
    COMMITTED = "after commit"  #: the ledger knows; the line does not
    CONFIRMED = "after confirm"  #: all is done; only the broker does not know


HELD_SECONDS_MAX = 600


class FailPoints:
    """The test's side: a directory that the shop's processes look into."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def arm(self, point: FailPoint) -> None:
        """Stop the next process that comes by."""
        (self.directory / point).touch()

    def stopped(self, point: FailPoint) -> int:
        """The number of the process that stands there, 0 while none does."""
        file = self.directory / f"{point} reached"
        return int(file.read_text() or 0) if file.exists() else 0

    def let_go(self, point: FailPoint) -> None:
        """Let it go on, if it still lives."""
        (self.directory / f"{point} reached").unlink(missing_ok=True)


def install(directory: Path) -> None:
    """The shop's side: put the points around the product's own functions, in this process and its children."""
    # Imported here: these need Django set up, which whoever only arms points has no use for.
    from celery.app.task import Task  # noqa: PLC0415
    from django.db.transaction import Atomic  # noqa: PLC0415

    from orders import ledger  # noqa: PLC0415
    from seckill.line.line import AsyncLine, Line  # noqa: PLC0415

    around = _Around(directory)
    for owner, name, point in (
        (Line, "run", _of_verb),
        (ledger, "_insert", _of_insert),
        (Atomic, "__exit__", _of_commit),
        (Task, "apply_async", _of_task),
    ):
        setattr(owner, name, around.call(getattr(owner, name), point))
    for name in ("run", "run_in_order"):
        setattr(AsyncLine, name, around.awaited(getattr(AsyncLine, name), _of_verb))


class _Around:
    """Wraps functions: after each call it may be that a point is reached."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def call(self, call: Callable[..., Any], point: Callable[..., FailPoint | None]) -> Callable[..., Any]:
        @functools.wraps(call)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            self._reach(point(result, *args))
            return result

        return wrapped

    def awaited(self, call: Callable[..., Any], point: Callable[..., FailPoint | None]) -> Callable[..., Any]:
        @functools.wraps(call)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = await call(*args, **kwargs)
            self._reach(point(result, *args))
            return result

        return wrapped

    def _reach(self, point: FailPoint | None) -> None:
        if point is None:
            return
        reached = self._directory / f"{point} reached"
        try:
            (self._directory / point).rename(reached)
        except FileNotFoundError:
            return
        reached.write_text(str(os.getpid()))
        give_up_at = time.monotonic() + HELD_SECONDS_MAX
        while reached.exists() and time.monotonic() < give_up_at:
            time.sleep(0.005)


def _of_verb(result: object, _line: object, command: Any) -> FailPoint | None:
    match command.script:
        case "admit":
            return FailPoint.ADMITTED
        case "reserve" if result is not None:
            return FailPoint.RESERVED
        case "confirm":
            return FailPoint.CONFIRMED
    return None


_inserted = threading.local()  # whether this thread wrote orders in its transaction


def _of_insert(_result: object, *_: object) -> FailPoint:
    _inserted.here = True
    return FailPoint.INSERTED


def _of_commit(_result: object, _atomic: object, exception: object, *_: object) -> FailPoint | None:
    inserted, _inserted.here = getattr(_inserted, "here", False), False
    return FailPoint.COMMITTED if inserted and exception is None else None


def _of_task(_result: object, task: Any, *_: object) -> FailPoint | None:
    return FailPoint.PUBLISHED if task.name.endswith("settle_orders") else None
