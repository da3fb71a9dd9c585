"""ModelLine: a model of the line's commands in plain Python.

Written from the headers of ``seckill/line/lua/*.lua``, for readability rather than speed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from seckill.line.commands import Admission, RejectReason, Reservation, SaleConfig, SaleNotLoadedError
from seckill.line.outcome import Confirmed, Outcome, Released
from seckill.line.snapshot import Snapshot
from tests.simulation.clock import Clock

SALE_ID = 7
# The run id stored with a sale: none to check, the running server's, or an earlier one's.
ANY_SERVER, THIS_SERVER, EARLIER_SERVER = "", "this", "earlier"


@dataclass(frozen=True)
class Meta:
    """The meta hash; a sale that has one is loaded."""

    epoch: int
    config: SaleConfig
    ended_ms: int
    sold_out_ms: int
    rejoin_until_ms: int
    server: str


@dataclass(frozen=True)
class Claimed:
    """A reservation: as many units as there were undecided buyers from ``first`` to ``last``."""

    first: int
    last: int
    units: int
    at_ms: int


@dataclass
class Kept:
    """Everything the server keeps about a sale."""

    meta: Meta | None = None
    stock: int | None = None
    pointer: int | None = None
    line: list[str] = field(default_factory=list)  #: buyers at place 1, 2, ...; '' is a hole
    places: dict[str, int] = field(default_factory=dict)
    reservations: dict[str, Claimed] = field(default_factory=dict)  #: oldest first, as the server stores a small hash
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    lost: bool = False

    def copy(self) -> "Kept":
        """Return an independent copy."""
        return replace(
            self,
            line=[*self.line],
            places={**self.places},
            reservations={**self.reservations},
            outcomes={**self.outcomes},
        )

    def is_known(self) -> bool:
        """Return whether the sale is loaded, so that buyers may be admitted and settled."""
        return self.meta is not None and self.stock is not None and self.meta.server != EARLIER_SERVER

    def undecided(self, first: int, last: int) -> list[tuple[int, str]]:
        """Return (place, buyer) of undecided buyers from place ``first`` to ``last``."""
        return [
            (place, buyer)
            for place, buyer in enumerate(self.line[first - 1 : last], first)
            if buyer and buyer not in self.outcomes
        ]


class ModelLine:
    """One sale's line."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.kept = Kept()

    # --- commands of the gate -------------------------------------------------------------------------------------

    def admit(self, buyers: Sequence[str]) -> Admission:
        """Append buyers or reject them. A buyer who has a place keeps it."""
        meta, stock, pointer = self._known()
        refusal = self._refusal(meta)
        answers: list[int | RejectReason] = []
        for buyer in buyers:
            place = self._place_of(buyer)
            if place:
                answers.append(place)
            elif refusal:
                answers.append(refusal)
            elif len(self.kept.line) >= meta.config.line_limit:
                answers.append(RejectReason.SOLD_OUT)
            else:
                answers.append(self._append(buyer))
        return Admission(meta.epoch, self.clock.now_ms, stock, pointer, len(self.kept.line), answers)

    def _refusal(self, meta: Meta) -> RejectReason | None:
        now_ms, config = self.clock.now_ms, meta.config
        if config.status == "closed" or now_ms >= config.closes_ms:
            return RejectReason.CLOSED
        if meta.ended_ms:
            return RejectReason.SOLD_OUT
        if config.status == "paused":
            return RejectReason.PAUSED
        if now_ms < config.opens_ms:
            return RejectReason.NOT_OPEN
        return RejectReason.RECOVERING if now_ms < meta.rejoin_until_ms else None

    def _place_of(self, buyer: str) -> int | None:
        return self.kept.places.get(buyer)

    def _append(self, buyer: str) -> int:
        self.kept.line.append(buyer)
        self.kept.places[buyer] = len(self.kept.line)
        return len(self.kept.line)

    def rejoin(self, buyer: str, place: int) -> tuple[int, int]:
        """Return to the old place if it is free and undecided, else to the end.

        Returns (epoch, place); place 0 = ended.
        """
        meta, _, pointer = self._known()
        kept = self.kept
        if buyer in kept.places:
            return meta.epoch, kept.places[buyer]
        if meta.ended_ms:
            return meta.epoch, 0
        if len(kept.line) < place <= meta.config.line_limit:
            kept.line += [""] * (place - 1 - len(kept.line))
            return meta.epoch, self._append(buyer)
        if pointer < place <= len(kept.line) and kept.line[place - 1] == "":
            kept.line[place - 1] = buyer
            kept.places[buyer] = place
            return meta.epoch, place
        return meta.epoch, self._append(buyer)

    def look_up(self, buyer: str) -> tuple[Outcome | None, int | None]:
        """Return (outcome, place) of a buyer, None where there is none."""
        return self.kept.outcomes.get(buyer), self.kept.places.get(buyer)

    # --- commands of the workers ----------------------------------------------------------------------------------

    def reserve(self, reservation_id: str, *, upto: int, chunk: int, lease_ms: int) -> Reservation | None:
        """Take over an expired reservation, else reserve the next places as far as there are units."""
        meta, stock, pointer = self._known()
        kept, now_ms = self.kept, self.clock.now_ms
        if reservation_id in kept.reservations:
            mine = kept.reservations[reservation_id]
            return Reservation(reservation_id, SALE_ID, meta.epoch, kept.undecided(mine.first, mine.last))
        for silent, claimed in [*kept.reservations.items()]:
            if now_ms - claimed.at_ms > lease_ms:
                del kept.reservations[silent]
                left_over = kept.undecided(claimed.first, claimed.last)
                if left_over:
                    kept.reservations[reservation_id] = replace(claimed, at_ms=now_ms)
                    return Reservation(reservation_id, SALE_ID, meta.epoch, left_over)
                stock = self._move_stock(claimed.units)
        if meta.ended_ms or now_ms < meta.rejoin_until_ms:
            return None
        upto = min(upto, len(kept.line))
        while pointer < upto and stock > 0:
            first, last = pointer + 1, min(upto, pointer + chunk)
            waiting = kept.undecided(first, last)
            if len(waiting) > stock:
                last = waiting[stock][0] - 1  # the first buyer without a unit stays behind the pointer
                waiting = waiting[:stock]
            kept.pointer = pointer = last
            if waiting:
                if self._move_stock(-len(waiting)) <= 0:
                    kept.meta = replace(meta, sold_out_ms=now_ms)
                kept.reservations[reservation_id] = Claimed(first, last, len(waiting), now_ms)
                return Reservation(reservation_id, SALE_ID, meta.epoch, waiting)
        return None

    def confirm(self, reservation_id: str, outcomes: Iterable[tuple[str, Outcome]]) -> int:
        """Write outcomes once and close the reservation; its unused units return to the stock.

        Returns the units left.
        """
        self._known()
        used = 0
        for buyer, outcome in outcomes:
            if buyer not in self.kept.outcomes:
                self.kept.outcomes[buyer] = outcome
                used += isinstance(outcome, Confirmed)
        claimed = self.kept.reservations.pop(reservation_id, None)
        return self._move_stock((claimed.units if claimed else 0) - used)

    def release(self, outcomes: Iterable[tuple[str, Released]]) -> int:
        """Release units of buyers who hold one, by their outcome; return how many."""
        self._known()
        returned = 0
        for buyer, outcome in outcomes:
            returned += isinstance(self.kept.outcomes.get(buyer), Confirmed)
            self.kept.outcomes[buyer] = outcome
        self._move_stock(returned)
        return returned

    def _move_stock(self, units: int) -> int:
        self.kept.stock = (self.kept.stock or 0) + units
        return self.kept.stock

    # --- commands of the shop -------------------------------------------------------------------------------------

    def forget(self) -> bool:
        """Unload the sale and keep the buyers in line; return whether the line is lost."""
        kept = self.kept
        self.kept = Kept(line=kept.line, places=kept.places, lost=kept.lost or not kept.line)
        return self.kept.lost

    def restore(self, orders: Iterable[tuple[int, str, Outcome]]) -> int:
        """Put (place, buyer, outcome) of the ledger into the line. Another buyer at such a place loses it."""
        kept, count = self.kept, 0
        for place, buyer, outcome in orders:
            kept.line += [""] * (place - len(kept.line))
            there = kept.line[place - 1]
            if there != buyer and kept.places.get(there) == place:
                del kept.places[there]
            kept.line[place - 1] = buyer
            kept.places[buyer] = place
            kept.outcomes[buyer] = outcome
            count += 1
        return count

    def rebuild(
        self,
        config: SaleConfig,
        *,
        epoch: int,
        stock: int,
        pointer: int,
        rejoin_ms: int,
        ended_ms: int,
        server: str,
    ) -> int:
        """Load the sale in a newer epoch; return the epoch in force."""
        if self.kept.meta is not None and self.kept.meta.epoch >= epoch:
            return self.kept.meta.epoch
        now_ms = self.clock.now_ms
        self.kept.meta = Meta(
            epoch=epoch,
            config=config,
            ended_ms=ended_ms,
            sold_out_ms=0 if stock > 0 else now_ms,
            rejoin_until_ms=now_ms + rejoin_ms if rejoin_ms else 0,
            server=server,
        )
        self.kept.stock, self.kept.pointer = stock, pointer
        self.kept.reservations.clear()
        self.kept.lost = False
        return epoch

    def configure(self, config: SaleConfig) -> int:
        """Apply changes of the sale; the units left change by the same amount as the total."""
        meta, _, _ = self._known()
        self.kept.meta = replace(meta, config=config)
        return self._move_stock(config.stock_total - meta.config.stock_total)

    def finish(self) -> int:
        """Close the sale for good, unless a waiting buyer may still win; return when it ended, 0 = not yet."""
        meta, stock, pointer = self._known()
        if meta.ended_ms:
            return meta.ended_ms
        can_win = self.kept.reservations or (stock > 0 and len(self.kept.line) > pointer)
        if can_win or self.clock.now_ms < meta.rejoin_until_ms:
            return 0
        self.kept.meta = replace(meta, ended_ms=self.clock.now_ms)
        return self.clock.now_ms

    def snapshot(self, *, lease_ms: int) -> Snapshot | None:
        """Return the snapshot, None while the sale is not loaded."""
        if not self.kept.is_known():
            return None
        meta, stock, pointer = self._known()
        config, now_ms = meta.config, self.clock.now_ms
        reservations = self.kept.reservations.values()
        return Snapshot(
            epoch=meta.epoch,
            now_ms=now_ms,
            stock_total=config.stock_total,
            stock=stock,
            opens_ms=config.opens_ms,
            closes_ms=config.closes_ms,
            status=config.status,
            line_limit=config.line_limit,
            ended_ms=meta.ended_ms,
            sold_out_ms=meta.sold_out_ms,
            rejoin_until_ms=meta.rejoin_until_ms,
            places_issued=len(self.kept.line),
            pointer=pointer,
            reserved_units=sum(claimed.units for claimed in reservations),
            expired_reservations=sum(now_ms - claimed.at_ms > lease_ms for claimed in reservations),
        )

    # --- the server -----------------------------------------------------------------------------------------------

    def wipe(self) -> None:
        """Lose all data."""
        self.kept = Kept()

    def restart(self, kept: Kept) -> None:
        """Start another run of the server, with the data of an earlier moment."""
        self.kept = kept.copy()
        meta = self.kept.meta
        if meta is not None and meta.server == THIS_SERVER:
            self.kept.meta = replace(meta, server=EARLIER_SERVER)

    def _known(self) -> tuple[Meta, int, int]:
        """Return meta, stock and pointer. Raises SaleNotLoadedError."""
        kept = self.kept
        if not kept.is_known() or kept.meta is None or kept.stock is None:
            raise SaleNotLoadedError(SALE_ID)
        return kept.meta, kept.stock, kept.pointer or 0
