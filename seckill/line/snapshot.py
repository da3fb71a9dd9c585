"""Snapshot: where a line stood at one moment."""

from dataclasses import dataclass
from typing import Self

from seckill.line.state import State, state_at


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One sale's line, read in one moment. Times are milliseconds since 1970, UTC, by Redis' clock."""

    epoch: int
    now_ms: int
    stock_total: int
    stock: int  #: units neither reserved nor sold; below 0 for a moment while a double count is given back
    opens_ms: int
    closes_ms: int
    status: str
    line_limit: int
    ended_ms: int  #: 0 = not ended
    sold_out_ms: int  #: when the stock last reached 0; 0 = it never did
    rejoin_until_ms: int  #: nobody is admitted or settled until then
    places_issued: int
    pointer: int  #: every place up to it is decided or reserved
    reserved_units: int  #: units reserved and not confirmed yet
    expired_reservations: int  #: reservations older than the lease

    @classmethod
    def parse(cls, reply: list[int | str]) -> Self | None:
        """From the reply of ``snapshot.lua``; None when the sale is unknown."""
        return cls(*reply) if reply else None  # type: ignore[arg-type]  # the script's order is the fields' order

    @property
    def remaining(self) -> int:
        """Units left, never below 0."""
        return max(self.stock, 0)

    @property
    def waiting(self) -> int:
        """Places behind the pointer."""
        return self.places_issued - self.pointer

    def state(self, now_ms: int | None = None) -> State:
        """What a buyer sees at ``now_ms`` (default: the moment of the snapshot)."""
        return state_at(
            self.now_ms if now_ms is None else now_ms,
            opens_ms=self.opens_ms,
            closes_ms=self.closes_ms,
            status=self.status,
            units_left=self.stock,
            ended=self.ended_ms > 0,
        )
