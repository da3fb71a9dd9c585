"""Group commit: what arrives while one call to Redis is under way goes together into the next one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

WAITING_MAX = 20_000  # more connections than one process takes


class Group(Generic[Item]):
    """Collects items and commits them in groups, one group at a time, in the order they came.

    A lone item goes at once; under load a group is as large as what arrived during the call before it. No item waits
    for a timer.
    """

    def __init__(
        self,
        commit: Callable[[list[Item]], Awaitable[None]],
        fail: Callable[[list[Item], Exception], Awaitable[None]],
        *,
        largest: int,
    ) -> None:
        """``commit`` answers every item of a group of ``largest`` at most; ``fail`` answers them when it raised."""
        self._commit = commit
        self._fail = fail
        self._largest = largest
        self._waiting: list[Item] = []
        self._committing: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is being committed."""
        return self._committing is None

    def join(self, item: Item) -> bool:
        """Put the item into the next group; False when `WAITING_MAX` items wait already."""
        if len(self._waiting) >= WAITING_MAX:
            return False
        self._waiting.append(item)
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all())
        return True

    async def _commit_all(self) -> None:
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
            self._committing = None
