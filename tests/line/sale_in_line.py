"""A sale that exists only in Redis, and everything Redis keeps about it, for the tests of the line."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, cast

from seckill.line import commands
from seckill.line.commands import Admission, RejectReason, Reservation, SaleConfig
from seckill.line.keys import SaleKeys, sale_keys
from seckill.line.line import Line
from seckill.line.outcome import Confirmed, Outcome, Released
from seckill.line.snapshot import Snapshot

Orders = list[tuple[int, str, Outcome]]  # (place, buyer, outcome)

HOUR_MS = 3_600_000
PAY_BEFORE_MS = 1_893_456_000_000  # 2030-01-01T00:00:00Z
AT_ONCE = -1.0  # a lease that has expired at once: every reservation may be taken over
LEASE_SECONDS = 60.0  # a lease longer than any test

CANCELLED = Released("cancelled")
EXPIRED = Released("expired")


def order(number: str) -> Confirmed:
    """Return the outcome of a buyer with the order ``number``."""
    return Confirmed(number, PAY_BEFORE_MS)


class SaleInLine:
    """Runs the commands of one sale on the real server, with times relative to that server's clock."""

    def __init__(self, line: Line, sale_id: int) -> None:
        self.line = line
        self.id = sale_id

    @property
    def keys(self) -> SaleKeys:
        return sale_keys(self.id)

    def redis_now_ms(self) -> int:
        seconds, microseconds = self.line.client.time()
        return seconds * 1000 + microseconds // 1000

    def config(
        self,
        *,
        stock: int = 3,
        opens_in_ms: int = -HOUR_MS,
        closes_in_ms: int = HOUR_MS,
        status: str = "open",
        line_limit: int = 1000,
    ) -> SaleConfig:
        now_ms = self.redis_now_ms()
        return SaleConfig(stock, now_ms + opens_in_ms, now_ms + closes_in_ms, status, line_limit)

    def rebuild(
        self,
        config: SaleConfig,
        *,
        epoch: int = 1,
        stock_left: int | None = None,
        pointer: int = 0,
        rejoin_seconds: float = 0,
        ended_ms: int = 0,
        server: str = "",
    ) -> int:
        return self.line.run(
            commands.rebuild(
                self.id,
                config,
                epoch=epoch,
                stock=config.stock_total if stock_left is None else stock_left,
                pointer=pointer,
                rejoin_seconds=rejoin_seconds,
                ended_ms=ended_ms,
                server=server,
            )
        )

    def admit(self, *buyers: str) -> list[int | RejectReason]:
        return self.admission(*buyers).places

    def admission(self, *buyers: str) -> Admission:
        return self.line.run(commands.admit(self.id, buyers))

    def reserve(
        self, reservation_id: str, *, upto: int = 10_000, chunk: int = 500, lease_seconds: float = LEASE_SECONDS
    ) -> Reservation | None:
        return self.line.run(
            commands.reserve(self.id, reservation_id, upto=upto, chunk=chunk, lease_seconds=lease_seconds)
        )

    def reserve_places(
        self, reservation_id: str, *, upto: int = 10_000, chunk: int = 500, lease_seconds: float = LEASE_SECONDS
    ) -> Reservation:
        """Reserve places; fail when there is nothing to reserve."""
        reservation = self.reserve(reservation_id, upto=upto, chunk=chunk, lease_seconds=lease_seconds)
        assert reservation is not None
        return reservation

    def confirm(self, reservation: Reservation, outcomes: dict[str, Outcome]) -> int:
        return self.line.run(commands.confirm(reservation, outcomes.items()))

    def confirm_all(self, reservation: Reservation) -> int:
        """Confirm an order for each buyer of the reservation, numbered by place; return the units left."""
        return self.confirm(reservation, {buyer: order(f"ORDER-{place}") for place, buyer in reservation.places})

    def release(self, outcomes: dict[str, Released]) -> int:
        return self.line.run(commands.release(self.id, outcomes.items()))

    def restore(self, orders: Iterable[tuple[int, str, Outcome]]) -> int:
        return self.line.run(commands.restore(self.id, orders))

    def rejoin(self, buyer: str, place: int) -> tuple[int, int]:
        return self.line.run(commands.rejoin(self.id, buyer, place))

    def configure(self, config: SaleConfig) -> int:
        return self.line.run(commands.configure(self.id, config))

    def finish(self) -> int:
        return self.line.run(commands.end_sale(self.id))

    def snapshot(self, *, lease_seconds: float = LEASE_SECONDS) -> Snapshot:
        """Return the snapshot of a loaded sale."""
        snapshot = self.line.run(commands.snapshot(self.id, lease_seconds=lease_seconds))
        assert snapshot is not None
        return snapshot

    def outcome(self, buyer: str) -> Outcome | None:
        return self.line.outcome(self.id, buyer)

    def buyers_in_line(self) -> list[str]:
        """Return the buyers by place; an empty string is a hole."""
        return cast("list[str]", self.line.client.lrange(self.keys.line, 0, -1))

    def places(self) -> dict[str, int]:
        places = cast("dict[str, str]", self.line.client.hgetall(self.keys.places))
        return {buyer: int(place) for buyer, place in places.items()}

    def contents(self) -> dict[str, Any]:
        """Return everything Redis keeps about the sale. Equal values mean that nothing changed in between."""
        pipeline = self.line.client.pipeline(transaction=False)
        pipeline.hgetall(self.keys.meta)
        pipeline.get(self.keys.stock)
        pipeline.lrange(self.keys.line, 0, -1)
        pipeline.hgetall(self.keys.places)
        pipeline.get(self.keys.pointer)
        pipeline.hgetall(self.keys.pending)
        pipeline.hgetall(self.keys.outcomes)
        pipeline.get(self.keys.rebuilding)
        names = [field.name for field in fields(self.keys)]  # in the order just read
        return {name: value for name, value in zip(names, pipeline.execute(), strict=True) if value}
