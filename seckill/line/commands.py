"""The commands of the line: each builds one call of a Lua script and reads its reply.

A command does no I/O, so that workers (`Line`) and the gate (`AsyncLine`) share one description of every call.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar

from seckill.line.keys import sale_keys
from seckill.line.outcome import Outcome, Released
from seckill.line.snapshot import Snapshot

T = TypeVar("T")
LUA_DIR = Path(__file__).parent / "lua"

ADMIT_BATCH_MAX = 1000  #: buyers in one call of `admit`
RESTORE_CHUNK = 300  #: orders in one call of `restore`


class SaleNotLoadedError(Exception):
    """Redis does not know this sale: it was never loaded, or Redis forgot. Neither sold out nor free: ask later."""

    def __init__(self, sale_id: int) -> None:
        super().__init__(f"sale {sale_id} is unknown to Redis")
        self.sale_id = sale_id


class RejectReason(IntEnum):
    """Why a buyer got no place; the numbers are those of ``admit.lua``."""

    NOT_OPEN = -1  #: the window begins later
    PAUSED = -2  #: the shop holds admission
    CLOSED = -3  #: the window is over, or the shop closed the sale
    SOLD_OUT = -4  #: the line is full, or it is certain that no unit is left
    RECOVERING = -5  #: the line was lost; its crowd comes back first


@dataclass(frozen=True, slots=True)
class SaleConfig:
    """What the shop decides about a sale, as Redis needs it. Times are milliseconds since 1970, UTC."""

    stock_total: int
    opens_ms: int
    closes_ms: int
    status: str
    line_limit: int

    def args(self) -> list[int | str]:
        """In the order the scripts expect."""
        return [self.stock_total, self.opens_ms, self.closes_ms, self.status, self.line_limit]


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a group of buyers who asked to join."""

    epoch: int
    now_ms: int
    stock: int
    pointer: int
    length: int
    places: list[int | RejectReason]  #: for each buyer, in the order asked


@dataclass(frozen=True, slots=True)
class Reservation:
    """Places that one worker reserved, to be written to the ledger."""

    id: str
    sale_id: int
    epoch: int  #: of the line that the places were claimed from
    places: list[tuple[int, str]]  #: (place, buyer), ascending


@dataclass(frozen=True, slots=True)
class Command(Generic[T]):
    """One call of a Lua script."""

    script: str  #: file name in ``lua/`` without its ending
    keys: list[str]
    args: Sequence[int | str]
    parse_reply: Callable[[list[Any]], T]
    prelude: str = "known"  #: the file that stands before the script

    @property
    def source(self) -> str:
        """The script as Redis runs it."""
        return _source(self.prelude, self.script)


@cache
def _source(*parts: str) -> str:
    return "".join((LUA_DIR / f"{part}.lua").read_text(encoding="utf-8") for part in parts)


def _require_loaded(sale_id: int, reply: list[Any]) -> list[Any]:
    """The reply, unless it is the empty one that means: unknown."""
    if not reply:
        raise SaleNotLoadedError(sale_id)
    return reply


def _parse_int(reply: list[Any]) -> int:
    return int(reply[0])


def admit(sale_id: int, buyers: Sequence[str]) -> Command[Admission]:
    """Join the line, in this order; at most `ADMIT_BATCH_MAX` buyers. Raises SaleUnknownError."""
    keys = sale_keys(sale_id)

    def parse_reply(reply: list[Any]) -> Admission:
        epoch, now_ms, stock, pointer, length, *places = _require_loaded(sale_id, reply)
        return Admission(
            epoch, now_ms, stock, pointer, length, [place if place > 0 else RejectReason(place) for place in places]
        )

    return Command("admit", [keys.meta, keys.line, keys.places, keys.stock, keys.pointer], buyers, parse_reply)


def reserve(sale_id: int, claim_id: str, *, upto: int, chunk: int, lease_seconds: float) -> Command[Reservation | None]:
    """Claim the next places up to ``upto``, or those of a worker silent for ``lease_seconds``; None = nothing to do.

    Raises SaleUnknownError.
    """
    keys = sale_keys(sale_id)

    def parse_reply(reply: list[Any]) -> Reservation | None:
        epoch, _pointer, _stock, *flat = _require_loaded(sale_id, reply)
        return Reservation(claim_id, sale_id, epoch, list(zip(flat[::2], flat[1::2], strict=True))) if flat else None

    return Command(
        "reserve",
        [keys.meta, keys.line, keys.pointer, keys.stock, keys.pending, keys.outcomes],
        [claim_id, upto, chunk, int(lease_seconds * 1000)],
        parse_reply,
    )


def confirm(claim: Reservation, outcomes: Iterable[tuple[str, Outcome]]) -> Command[int]:
    """Write (buyer, outcome) pairs and close the claim; gives the units left. Raises SaleUnknownError."""
    keys = sale_keys(claim.sale_id)
    flat = chain.from_iterable((buyer, outcome.encode()) for buyer, outcome in outcomes)
    return Command(
        "confirm",
        [keys.meta, keys.stock, keys.pending, keys.outcomes],
        [claim.id, *flat],
        lambda reply: int(_require_loaded(claim.sale_id, reply)[1]),
    )


def release(sale_id: int, outcomes: Iterable[tuple[str, Released]]) -> Command[int]:
    """Give back the units of (buyer, outcome) pairs, once each; gives how many went back. Raises SaleUnknownError."""
    keys = sale_keys(sale_id)
    flat = chain.from_iterable((buyer, outcome.encode()) for buyer, outcome in outcomes)
    return Command(
        "release",
        [keys.meta, keys.stock, keys.outcomes],
        list(flat),
        lambda reply: int(_require_loaded(sale_id, reply)[1]),
    )


def restore(sale_id: int, orders: Iterable[tuple[int, str, Outcome]]) -> Command[int]:
    """Put (place, buyer, outcome) of the ledger back, at most `RESTORE_CHUNK` of them, ascending by place."""
    keys = sale_keys(sale_id)
    args: list[int | str] = []
    for place, buyer, outcome in orders:
        args += [place, buyer, outcome.encode()]
    return Command("restore", [keys.line, keys.places, keys.outcomes], args, _parse_int)


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
    """Make the sale known in a new epoch, to the server of this run id or ('') any; gives the epoch that holds now."""
    keys = sale_keys(sale_id)
    return Command(
        "rebuild",
        [keys.meta, keys.stock, keys.pointer, keys.pending, keys.lost],
        [epoch, stock, pointer, int(rejoin_seconds * 1000), *config.args(), ended_ms, server],
        _parse_int,
    )


def rejoin(sale_id: int, buyer: str, place: int) -> Command[tuple[int, int]]:
    """Come back with a ticket for ``place``; gives (epoch, place), place 0 = the sale has ended. SaleUnknownError."""
    keys = sale_keys(sale_id)

    def parse_reply(reply: list[Any]) -> tuple[int, int]:
        epoch, held = _require_loaded(sale_id, reply)
        return epoch, held

    return Command("rejoin", [keys.meta, keys.line, keys.places, keys.pointer], [buyer, place], parse_reply)


def configure(sale_id: int, config: SaleConfig) -> Command[int]:
    """Take over what the shop changed; gives the units left. Raises SaleUnknownError."""
    keys = sale_keys(sale_id)
    return Command(
        "configure", [keys.meta, keys.stock], config.args(), lambda reply: int(_require_loaded(sale_id, reply)[1])
    )


def end_sale(sale_id: int) -> Command[int]:
    """End the waitlist for good; gives when (ms since 1970), 0 = not yet. Raises SaleUnknownError."""
    keys = sale_keys(sale_id)
    return Command(
        "finish",
        [keys.meta, keys.line, keys.stock, keys.pointer, keys.pending],
        [],
        lambda reply: int(_require_loaded(sale_id, reply)[1]),
    )


def snapshot(sale_id: int, *, lease_seconds: float) -> Command[Snapshot | None]:
    """Where the line stands; None when the sale is unknown."""
    keys = sale_keys(sale_id)
    return Command(
        "snapshot",
        [keys.meta, keys.line, keys.stock, keys.pointer, keys.pending],
        [int(lease_seconds * 1000)],
        Snapshot.parse,
    )
