"""Commands of the line: each function returns the call of a Lua script and the parser of its reply.

Building a command does no I/O, so workers (`Line`) and the gate (`AsyncLine`) use the same commands.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings

from seckill.line.command import Command
from seckill.line.keys import sale_keys
from seckill.line.outcome import Outcome, Released
from seckill.line.snapshot import Snapshot

T = TypeVar("T")
LUA_DIR = Path(__file__).parent / "lua"

ADMIT_BATCH_MAX = 1000  #: buyers in one call of `admit`
RESTORE_CHUNK = 300  #: orders in one call of `restore`


class SaleNotLoadedError(Exception):
    """The sale is not loaded: Redis never had it, or lost it.

    The error says nothing about the units left: retry later.
    """

    def __init__(self, sale_id: int) -> None:
        super().__init__(f"sale {sale_id} is not loaded in Redis")
        self.sale_id = sale_id


class RejectReason(IntEnum):
    """Why a buyer got no place. ``admit.lua`` returns these numbers."""

    NOT_OPEN = -1  #: the sale opens later
    PAUSED = -2  #: the shop has paused the sale
    CLOSED = -3  #: the window is over, or the shop has closed the sale
    SOLD_OUT = -4  #: the line is full, or the sale has ended: no unit can come back
    RECOVERING = -5  #: the line was lost; buyers with a ticket rejoin first


@dataclass(frozen=True, slots=True)
class SaleConfig:
    """The shop's settings of a sale, as Redis needs them. Times are milliseconds since 1970, UTC."""

    stock_total: int
    opens_ms: int
    closes_ms: int
    status: str
    line_limit: int

    def args(self) -> list[int | str]:
        """Return the fields in the order that the scripts expect."""
        return [self.stock_total, self.opens_ms, self.closes_ms, self.status, self.line_limit]


@dataclass(frozen=True, slots=True)
class Admission:
    """The result for a batch of buyers who asked to join."""

    epoch: int
    now_ms: int
    stock: int
    pointer: int
    places_issued: int
    places: list[int | RejectReason]  #: for each buyer, in the order of the batch


@dataclass(frozen=True, slots=True)
class Reservation:
    """Places that a worker has reserved, to be written to the ledger."""

    id: str
    sale_id: int
    epoch: int  #: of the line when the places were reserved
    places: list[tuple[int, str]]  #: (place, buyer), ascending


def _command(script: str, sale_id: int, args: Sequence[int | str], parse_reply: Callable[[list[Any]], T]) -> Command[T]:
    """Return a command whose `parse_reply` raises SaleNotLoadedError when the sale is not loaded."""

    def parse(reply: list[Any]) -> T:
        if not reply:
            raise SaleNotLoadedError(sale_id)
        return parse_reply(reply)

    return Command(f"{LUA_DIR}/{script}.lua", sale_keys(sale_id).all(), args, parse)


def _first(reply: list[Any]) -> int:
    return int(reply[0])


def _second(reply: list[Any]) -> int:
    return int(reply[1])


def admit(sale_id: int, buyers: Sequence[str]) -> Command[Admission]:
    """Add buyers, at most `ADMIT_BATCH_MAX`, to the line in this order.

    Raises:
        SaleNotLoadedError: the sale is not loaded. As in every command below, running the command raises the error.
    """

    def parse_reply(reply: list[Any]) -> Admission:
        epoch, now_ms, stock, pointer, places_issued, *places = reply
        results = [place if place > 0 else RejectReason(place) for place in places]
        return Admission(epoch, now_ms, stock, pointer, places_issued, results)

    return _command("admit", sale_id, buyers, parse_reply)


def reserve(
    sale_id: int, reservation_id: str, *, upto: int, chunk: int, lease_seconds: float | None = None
) -> Command[Reservation | None]:
    """Reserve the next places, up to ``upto``, or take over a reservation older than ``lease_seconds``.

    ``lease_seconds`` is `settings.RESERVATION_LEASE_SECONDS` by default. This lease is in Redis, not in a row
    (`seckill.lease`): Redis assigns places and compares their reservations by its own clock, in one call.

    The result is None if there is nothing to reserve.

    Raises:
        SaleNotLoadedError: the sale is not loaded.
    """

    def parse_reply(reply: list[Any]) -> Reservation | None:
        epoch, *flat = reply
        places = list(zip(flat[::2], flat[1::2], strict=True))
        return Reservation(reservation_id, sale_id, epoch, places) if places else None

    return _command("reserve", sale_id, [reservation_id, upto, chunk, _lease_ms(lease_seconds)], parse_reply)


def confirm(reservation: Reservation, outcomes: Iterable[tuple[str, Outcome]]) -> Command[int]:
    """Write (buyer, outcome) pairs and remove the reservation. The result is the number of units left.

    Raises:
        SaleNotLoadedError: the sale is not loaded.
    """
    flat = chain.from_iterable((buyer, outcome.encode()) for buyer, outcome in outcomes)
    return _command("confirm", reservation.sale_id, [reservation.id, *flat], _second)


def release(sale_id: int, outcomes: Iterable[tuple[str, Released]]) -> Command[int]:
    """Return the units of (buyer, outcome) pairs to the stock, once each. The result is how many this call returned.

    Raises:
        SaleNotLoadedError: the sale is not loaded.
    """
    flat = chain.from_iterable((buyer, outcome.encode()) for buyer, outcome in outcomes)
    return _command("release", sale_id, list(flat), _second)


def restore(sale_id: int, orders: Iterable[tuple[int, str, Outcome]]) -> Command[int]:
    """Put orders of the ledger back into the line: (place, buyer, outcome), ascending, at most `RESTORE_CHUNK`.

    The result is the number of orders.
    """
    args: list[int | str] = []
    for place, buyer, outcome in orders:
        args += [place, buyer, outcome.encode()]
    return _command("restore", sale_id, args, _first)


def rebuild(
    sale_id: int,
    config: SaleConfig,
    *,
    epoch: int,
    stock: int,
    pointer: int,
    rejoin_seconds: float,
    ended_ms: int,
    server: str,
) -> Command[int]:
    """Load the sale in a new epoch. The result is the sale's epoch afterwards, which may be a newer one.

    ``server`` is the run id of the Redis server. After a restart the run id differs, and the sale counts as not loaded.
    '' turns that check off.
    """
    args = [epoch, stock, pointer, int(rejoin_seconds * 1000), *config.args(), ended_ms, server]
    return _command("rebuild", sale_id, args, _first)


def rejoin(sale_id: int, buyer: str, place: int) -> Command[tuple[int, int]]:
    """Put a buyer with a ticket for ``place`` back into the line.

    The result is (epoch, place). Place 0 means that the sale has ended.

    Raises:
        SaleNotLoadedError: the sale is not loaded.
    """

    def parse_reply(reply: list[Any]) -> tuple[int, int]:
        epoch, held = reply
        return epoch, held

    return _command("rejoin", sale_id, [buyer, place], parse_reply)


def configure(sale_id: int, config: SaleConfig) -> Command[int]:
    """Update a loaded sale with the shop's changed settings. The result is the number of units left.

    Raises:
        SaleNotLoadedError: the sale is not loaded.
    """
    return _command("configure", sale_id, config.args(), _second)


def end_sale(sale_id: int) -> Command[int]:
    """End the sale for good. The result is when it ended (ms since 1970), 0 if it can't end yet.

    Raises:
        SaleNotLoadedError: the sale is not loaded.
    """
    return _command("end_sale", sale_id, [], _second)


def snapshot(sale_id: int, *, lease_seconds: float | None = None) -> Command[Snapshot | None]:
    """Read the state of the line. The result is None if the sale is not loaded.

    Reservations older than ``lease_seconds`` count as expired; the default is that of `reserve`.
    """
    keys = sale_keys(sale_id).all()
    return Command(f"{LUA_DIR}/snapshot.lua", keys, [_lease_ms(lease_seconds)], Snapshot.parse)


def _lease_ms(seconds: float | None) -> int:
    return int((settings.RESERVATION_LEASE_SECONDS if seconds is None else seconds) * 1000)
