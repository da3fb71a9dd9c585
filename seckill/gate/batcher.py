"""Batcher: items that arrive while calls to Redis are under way go into the next call together (group commit)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, cast

from seckill import conf

Item = TypeVar("Item")

WAITING_MAX = conf.BATCHER_WAITING_MAX


class Batcher(Generic[Item]):
    """Collects items and commits them in batches, which start in the order in which the items were submitted.

    A single item is committed at once. Under load, a batch has the items that arrived during the commit before it. No
    item waits for a timer.
    """

    def __init__(
        self,
        commit: Callable[[list[Item]], Awaitable[None]],
        fail: Callable[[list[Item], Exception], Awaitable[None]],
        *,
        largest: int,
        at_once: int = 1,
    ) -> None:
        """Create a batcher.

        Args:
            commit: commits a batch and responds to its items.
            fail: responds to the items of a batch whose commit raised, and to all items that wait.
            largest: items in a batch, at most.
            at_once: concurrent commits, at most. More than one helps if a commit waits for the disk.
        """
        self._commit = commit
        self._fail = fail
        self._largest = largest
        self._at_once = at_once
        self._waiting: list[Item] = []
        self._committing: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Whether no item waits or is being committed."""
        return not self._committing

    def submit(self, item: Item) -> bool:
        """Add an item to the next batch. Return False if `WAITING_MAX` items wait already."""
        if len(self._waiting) >= WAITING_MAX:
            return False
        self._waiting.append(item)
        if len(self._committing) < self._at_once:
            self._committing.add(asyncio.create_task(self._flush()))
        return True

    async def _flush(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
                try:
                    await self._commit(group)
                except Exception as error:  # noqa: BLE001 (`fail` responds)
                    # The waiting items would fail too, one time-out after the other: fail them now.
                    group, self._waiting = group + self._waiting, []
                    await self._fail(group, error)
        finally:
            self._committing.discard(cast("asyncio.Task[None]", asyncio.current_task()))
