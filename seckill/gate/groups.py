"""Group commit: what arrives while one call to Redis is under way goes together into the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Group(Generic[Item, Result]):
    """Collects items and hands them over in groups, one group at a time.

    A lone item goes at once; under load a group is as large as what arrived during the call before it. Nobody waits for
    a timer.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], *, largest: int) -> None:
        """``commit`` answers a group item by item, in order; what it raises is raised to everybody in the group."""
        self._commit = commit
        self._largest = largest
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def join(self, item: Item) -> Result:
        """The item's result, once its group is committed."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all())
        return await future

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
                try:
                    results = await self._commit([item for item, _ in group])
                except Exception as error:  # noqa: BLE001 (handed to everybody who waits; they answer it)
                    for _, future in group:
                        if not future.done():
                            future.set_exception(error)
                else:
                    for (_, future), result in zip(group, results, strict=True):
                        if not future.done():  # a buyer who hung up is cancelled; the place is kept all the same
                            future.set_result(result)
        finally:
            self._committing = None
