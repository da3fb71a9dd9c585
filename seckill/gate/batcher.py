"""Group commit: what arrives while calls to Redis are under way goes together into the next one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")

WAITING_MAX = 20_000  # more connections than one process takes


class Batcher(Generic[Item]):
    """Collects items and commits them in groups, which begin in the order in which the items came.

    A lone item goes at once; under load a group is as large as what arrived during the call before it. No item waits
    for a timer.
    """

    def __init__(
        self,
        commit: Callable[[list[Item]], Awaitable[None]],
        fail: Callable[[list[Item], Exception], Awaitable[None]],
        *,
        largest: int,
        at_once: int = 1,
    ) -> None:
        """``commit`` answers every item of a group of ``largest`` at most; ``fail`` answers them when it raised.

        ``at_once`` groups are under way together at most. More than one helps where a commit waits for the disk.
        """
        self._commit = commit
        self._fail = fail
        self._largest = largest
        self._at_once = at_once
        self._waiting: list[Item] = []
        self._committing: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is being committed."""
        return not self._committing

    def submit(self, item: Item) -> bool:
        """Put the item into the next group; False when `WAITING_MAX` items wait already."""
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
                except Exception as error:  # noqa: BLE001 (`fail` answers it)
                    # Whoever waits would meet the same fault, one time-out after the other.
                    group, self._waiting = group + self._waiting, []
                    await self._fail(group, error)
        finally:
            self._committing.discard(cast("asyncio.Task[None]", asyncio.current_task()))
