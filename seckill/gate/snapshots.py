"""Snapshots: each gate process reads a sale's line at most ten times a second, however many people poll."""

import asyncio
import time
from dataclasses import dataclass

from django.conf import settings

from seckill.line import verbs
from seckill.line.line import AsyncLine
from seckill.line.snapshot import Snapshot

FRESH_SECONDS = 0.1
RATE_WINDOW_SECONDS = 1.0  # how much of the past the estimate of a wait looks at


@dataclass(slots=True)
class SeenSale:
    """The latest snapshot of one sale, None while Redis does not know it, and how fast its pointer moves."""

    snapshot: Snapshot | None
    read_at: float  #: by this process' monotonic clock, seconds
    places_per_second: float = 0.0
    rate_from: tuple[float, int] = (0.0, 0)  #: (read_at, pointer) where measuring the present rate began

    def now_ms(self, snapshot: Snapshot) -> int:
        """Redis' clock now, as far as this process can tell from the snapshot it holds."""
        return snapshot.now_ms + int((time.monotonic() - self.read_at) * 1000)

    def eta_seconds(self, ahead: int) -> int | None:
        """How long until ``ahead`` places are decided, at the present rate; None while nothing moves."""
        return 1 + int(ahead / self.places_per_second) if self.places_per_second > 0 else None


class Snapshots:
    """The sales this process has been asked about."""

    def __init__(self, line: AsyncLine) -> None:
        self._line = line
        self._seen: dict[int, SeenSale] = {}
        self._reading: dict[int, asyncio.Task[SeenSale]] = {}

    async def get(self, sale_id: int) -> SeenSale:
        """The sale as it stood at most `FRESH_SECONDS` ago. Raises redis.RedisError."""
        seen = self._seen.get(sale_id)
        if seen is not None and time.monotonic() - seen.read_at < FRESH_SECONDS:
            return seen
        reading = self._reading.get(sale_id)
        if reading is None:
            reading = self._reading[sale_id] = asyncio.create_task(self._read(sale_id))
        return await asyncio.shield(reading)

    async def _read(self, sale_id: int) -> SeenSale:
        try:
            snapshot = await self._line.run(verbs.snapshot(sale_id, lease_seconds=settings.CLAIM_LEASE_SECONDS))
            before = self._seen.get(sale_id)
            seen = SeenSale(snapshot, time.monotonic())
            if snapshot is None:
                self._seen.pop(sale_id, None)  # made-up numbers must not fill the memory
                return seen
            if before is None or before.snapshot is None or before.snapshot.epoch != snapshot.epoch:
                seen.rate_from = (seen.read_at, snapshot.pointer)
            else:
                self._measure_rate(before, seen, snapshot.pointer)
            self._seen[sale_id] = seen
            return seen
        finally:
            self._reading.pop(sale_id, None)

    @staticmethod
    def _measure_rate(before: SeenSale, seen: SeenSale, pointer: int) -> None:
        began, pointer_then = before.rate_from
        elapsed = seen.read_at - began
        if elapsed >= RATE_WINDOW_SECONDS:
            seen.places_per_second = (pointer - pointer_then) / elapsed
            seen.rate_from = (seen.read_at, pointer)
        else:
            seen.places_per_second = before.places_per_second
            seen.rate_from = before.rate_from
