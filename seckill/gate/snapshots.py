"""Snapshots: caches the state of each line, so that a process reads it at most ten times a second."""

import asyncio
import time
from dataclasses import dataclass

from seckill.gate.response import Response
from seckill.line import commands
from seckill.line.line import AsyncLine
from seckill.line.snapshot import Snapshot

SNAPSHOT_TTL_SECONDS = 0.1
CACHED_MAX = 1_000  # sales; the one read longest ago is evicted first
UNCACHED_READS_MAX = 4  # reads of sales not cached: made-up ids must not take the connections that purchases need
RATE_WINDOW_SECONDS = 1.0  # over which the rate of the pointer is measured


@dataclass(slots=True)
class CachedSnapshot:
    """A snapshot of a sale, and the rate at which its pointer moves."""

    snapshot: Snapshot
    read_at: float  #: monotonic seconds
    places_per_second: float = 0.0
    rate_from: tuple[float, int] = (0.0, 0)  #: (read_at, pointer) at the start of the present rate window
    progress: Response | None = None  #: encoded at the first request, like `sold_out`
    sold_out: Response | None = None

    def eta_seconds(self, ahead: int) -> int | None:
        """Return the seconds until ``ahead`` places are decided, at the present rate; None while it is 0."""
        return 1 + int(ahead / self.places_per_second) if self.places_per_second > 0 else None


class Snapshots:
    """The cached snapshots of a process. Concurrent reads of the same sale share one call of Redis."""

    def __init__(self, line: AsyncLine) -> None:
        self._line = line
        self._cache: dict[int, CachedSnapshot] = {}
        self._reading: dict[int, asyncio.Task[CachedSnapshot | None]] = {}
        self._uncached_reads = asyncio.Semaphore(UNCACHED_READS_MAX)

    def fresh(self, sale_id: int) -> CachedSnapshot | None:
        """Return the cached snapshot if it is younger than `SNAPSHOT_TTL_SECONDS`, else None."""
        cached = self._cache.get(sale_id)
        return cached if cached is not None and time.monotonic() - cached.read_at < SNAPSHOT_TTL_SECONDS else None

    async def get(self, sale_id: int) -> CachedSnapshot | None:
        """Return a snapshot younger than `SNAPSHOT_TTL_SECONDS`, or None if the sale is not loaded.

        Raises:
            redis.RedisError: Redis can't be reached.
        """
        cached = self.fresh(sale_id)
        if cached is not None:
            return cached
        reading = self._reading.get(sale_id)
        if reading is None:
            reading = self._reading[sale_id] = asyncio.create_task(self._read(sale_id))
        return await asyncio.shield(reading)

    async def _read(self, sale_id: int) -> CachedSnapshot | None:
        command = commands.snapshot(sale_id)
        try:
            if sale_id in self._cache:
                snapshot = await self._line.run(command)
            else:
                async with self._uncached_reads:
                    snapshot = await self._line.run(command)
            before = self._cache.pop(sale_id, None)
            if snapshot is None:
                return None  # not cached: made-up ids must not fill the memory
            cached = CachedSnapshot(snapshot, time.monotonic())
            if before is None or before.snapshot.epoch != snapshot.epoch:
                cached.rate_from = (cached.read_at, snapshot.pointer)
            else:
                self._measure_rate(before, cached)
            self._cache[sale_id] = cached
            if len(self._cache) > CACHED_MAX:
                del self._cache[next(iter(self._cache))]
            return cached
        finally:
            self._reading.pop(sale_id, None)

    @staticmethod
    def _measure_rate(before: CachedSnapshot, cached: CachedSnapshot) -> None:
        began, pointer_then = before.rate_from
        elapsed = cached.read_at - began
        if elapsed >= RATE_WINDOW_SECONDS:
            cached.places_per_second = (cached.snapshot.pointer - pointer_then) / elapsed
            cached.rate_from = (cached.read_at, cached.snapshot.pointer)
        else:
            cached.places_per_second = before.places_per_second
            cached.rate_from = before.rate_from
