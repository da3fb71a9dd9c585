"""Snapshot: the state of a line at one moment."""

from dataclasses import dataclass
from typing import Self

from seckill.line.state import State, state_at


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The line of a sale, read atomically. Times are milliseconds since 1970, UTC, by Redis' clock."""

    epoch: int
    now_ms: int
    stock_total: int
    stock: int  #: units neither reserved nor sold; below 0 while two workers confirm one reservation (``confirm.lua``)
    opens_ms: int
    closes_ms: int
    status: str
    line_limit: int
    ended_ms: int  #: 0 = not ended
    sold_out_ms: int  #: when the stock last reached 0; 0 = it never did
    rejoin_until_ms: int  #: no buyer is admitted or settled until then; 0 = no wait
    places_issued: int
    pointer: int  #: the last place that is decided or reserved
    reserved_units: int  #: units reserved and not confirmed yet
    expired_reservations: int  #: reservations older than the lease

    @classmethod
    def parse(cls, reply: list[int | str]) -> Self | None:
        """Parse the reply of ``snapshot.lua``. Return None if the sale is not loaded."""
        return cls(*reply) if reply else None  # type: ignore[arg-type]  # the script's order is the fields' order

    @property
    def remaining(self) -> int:
        """Units left, never below 0."""
        return max(self.stock, 0)

    @property
    def waiting(self) -> int:
        """Places after the pointer."""
        return self.places_issued - self.pointer

    def state(self, now_ms: int | None = None) -> State:
        """Return the state that a buyer sees at ``now_ms`` (default: the time of the snapshot)."""
        return state_at(
            self.now_ms if now_ms is None else now_ms,
            opens_ms=self.opens_ms,
            closes_ms=self.closes_ms,
            status=self.status,
            units_left=self.stock,
            ended=self.ended_ms > 0,
        )
