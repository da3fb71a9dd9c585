"""Fail points: points in the life of a purchase at which a test can stop a process, once.

A file of the point's name arms it. The first process to reach the point renames the file, so that no other process
stops there, writes its process id into it, and waits until the test removes the file or kills the process.
"""

import functools
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from devtools.waiting import wait_until


class FailPoint(StrEnum):
    """The points, in the order of a purchase."""

    ADMITTED = "after admit"  #: the place is in the line; neither buyer nor broker has a message
    PUBLISHED = "after publish"  #: the doorbell is with the broker
    RESERVED = "after reserve"  #: places are reserved; the ledger has no orders
    INSERTED = "after INSERT before commit"  #: orders are written; the transaction is not committed
    COMMITTED = "after commit"  #: the ledger has committed; the line has no outcomes
    CONFIRMED = "after confirm"  #: all is done; the message is not acknowledged


HELD_SECONDS_MAX = 600


class FailPoints:
    """The test's side: a directory that the shop's processes check."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def arm(self, point: FailPoint) -> None:
        """Stop the next process that reaches the point."""
        (self.directory / point).touch()

    def stopped(self, point: FailPoint) -> int:
        """Return the id of the process stopped there, 0 when there is none."""
        file = self.directory / f"{point} reached"
        return int(file.read_text() or 0) if file.exists() else 0

    def let_go(self, point: FailPoint) -> None:
        """Let the process continue, if it is alive."""
        (self.directory / f"{point} reached").unlink(missing_ok=True)


def install(directory: Path) -> None:
    """The shop's side: wrap the product's functions with the points, in this process and its children."""
    # Imported here: these need Django to be set up, which a process that only arms points does not do.
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
    """Wraps functions: after each call it checks whether a point is reached."""

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
        with suppress(TimeoutError):
            wait_until("the test lets go", lambda: not reached.exists(), HELD_SECONDS_MAX, interval_seconds=0.005)


def _of_verb(result: object, _line: object, command: Any) -> FailPoint | None:
    match Path(command.script).stem:
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
