"""ModelWorld: the protocol of gate, workers and beat over a model of line and ledger."""

from collections import deque
from collections.abc import Sequence

import redis

from orders.models import Order
from seckill.line.commands import RejectReason, Reservation, SaleConfig, SaleNotLoadedError
from seckill.line.outcome import Confirmed, Released
from seckill.line.snapshot import Snapshot
from seckill.line.state import State
from seckill.line.tickets import Ticket
from seckill.timestamps import format_iso8601
from tests.simulation.clock import Clock
from tests.simulation.model_ledger import Books, ModelLedger
from tests.simulation.model_line import ANY_SERVER, SALE_ID, THIS_SERVER, Kept, ModelLine
from tests.simulation.network import Fault, Network
from tests.simulation.world import (
    LEASE_MS,
    PAY_WITHIN_MS,
    REJOIN_MS,
    SETTLE_CHUNK,
    Answer,
    Decided,
    Joined,
    World,
)

REMEMBERED = 8  # moments
FIRST_EPOCH = 1


class ModelWorld(World):
    """A world without servers. A test may replace the types of line and ledger by ones that lack a guard."""

    line_type: type[ModelLine] = ModelLine
    ledger_type: type[ModelLedger] = ModelLedger

    def __init__(self, config: SaleConfig, *, durable: bool, network: Network) -> None:
        """``durable``: Redis syncs its log before each response, so a restart loses nothing."""
        self.clock = Clock()
        self.network = network
        self.durable = durable
        self.line = self.line_type(self.clock)
        self.ledger = self.ledger_type(config, PAY_WITHIN_MS)
        self._seen: Snapshot | None = None  # the snapshot last read by the gate
        self._settling = 0
        self._moments: deque[Kept] = deque(maxlen=REMEMBERED)

    # --- buyers, at the gate --------------------------------------------------------------------------------------

    def join(self, buyers: Sequence[str], fault: Fault | None) -> Joined:
        """Return a ticket or a reject reason for each; ring the doorbell if there are units for waiting buyers."""
        with self.network.breaking(fault):
            try:
                admission = self.network.call(lambda: self.line.admit(buyers))
            except SaleNotLoadedError:
                return Joined(["recovering"] * len(buyers), 0)
            except redis.ConnectionError:
                return Joined(["unavailable"] * len(buyers), 0)
        answers = [
            place.name.lower() if isinstance(place, RejectReason) else Ticket(SALE_ID, place, buyer, admission.epoch)
            for buyer, place in zip(buyers, admission.places, strict=True)
        ]
        return Joined(
            answers,
            admission.places_issued if admission.stock > 0 and admission.places_issued > admission.pointer else 0,
        )

    def poll(self, ticket: Ticket, *, fresh: bool, fault: Fault | None) -> Answer:
        """In the first epoch of a line a place behind the pointer waits; any other is looked up."""
        with self.network.breaking(fault):
            try:
                if fresh or self._seen is None:
                    self._seen = self.network.call(self.look)
                if self._seen is None:
                    return {"problem": "recovering"}
                if ticket.epoch == self._seen.epoch == FIRST_EPOCH and ticket.place > self._seen.pointer:
                    return self._waiting(self._seen, ticket.place)
                return self._looked_up(ticket, self._seen)
            except SaleNotLoadedError:
                return {"problem": "recovering"}
            except redis.ConnectionError:
                return {"problem": "unavailable"}

    def _looked_up(self, ticket: Ticket, seen: Snapshot) -> Answer:
        outcome, place = self.line.look_up(ticket.buyer)
        if isinstance(outcome, Confirmed):
            return {"status": "confirmed", "order": outcome.order, "pay_before": format_iso8601(outcome.pay_before_ms)}
        if outcome is not None:
            return {"status": "released", "reason": outcome.reason}
        if place is None:
            _, place = self.network.call(lambda: self.line.rejoin(ticket.buyer, ticket.place))
            if place == 0:
                return self._sold_out(seen)
        answer = self._waiting(seen, place)
        if answer["status"] != "sold_out" and (place, seen.epoch) != (ticket.place, ticket.epoch):
            answer["ticket"] = Ticket(SALE_ID, place, ticket.buyer, seen.epoch)
        return answer

    def _waiting(self, seen: Snapshot, place: int) -> Answer:
        if seen.ended_ms:
            return self._sold_out(seen)
        if seen.stock <= 0 and place > seen.pointer:
            return {"status": "waitlisted", "place": place, "place_in_waitlist": place - seen.pointer}
        return {"status": "queued", "place": place, "ahead": max(0, place - seen.pointer - 1)}

    @staticmethod
    def _sold_out(seen: Snapshot) -> Answer:
        return {"status": "sold_out", "sold_out_at": format_iso8601(seen.sold_out_ms or seen.ended_ms or seen.now_ms)}

    # --- a worker, step by step or in one go ----------------------------------------------------------------------

    def reserve(self, reservation_id: str, upto: int, fault: Fault | None) -> Reservation | None:
        with self.network.breaking(fault):
            return self._reserve(reservation_id, upto)

    def _reserve(self, reservation_id: str, upto: int) -> Reservation | None:
        return self.network.call(
            lambda: self.line.reserve(reservation_id, upto=upto, chunk=SETTLE_CHUNK, lease_ms=LEASE_MS)
        )

    def write(self, claim: Reservation, *, commit: bool) -> Decided:
        before = self.ledger.books.copy()
        decided = self.ledger.write(claim, self.clock.now_ms)
        if not commit:
            self.ledger.books = before
        return decided

    def confirm(self, claim: Reservation, decided: Decided, fault: Fault | None) -> int:
        with self.network.breaking(fault):
            return self._confirm(claim, decided)

    def _confirm(self, claim: Reservation, decided: Decided) -> int:
        return self.network.call(lambda: self.line.confirm(claim.id, decided.items()))

    def rebuild(self, broken_epoch: int | None, fault: Fault | None) -> None:
        with self.network.breaking(fault):
            self._rebuild(broken_epoch)

    def _rebuild(self, broken_epoch: int | None) -> None:
        """Rebuild the line. It waits for its crowd if it was ever open and may have lost buyers."""
        seen = self.network.call(self.look)
        if seen is not None and seen.epoch != broken_epoch:
            return
        self.ledger.books.epoch += 1  # saved before the line is changed, so that no epoch is used twice
        with self.ledger.transaction():
            books, config = self.ledger.books, self.ledger.books.config
            server = ANY_SERVER if self.durable else THIS_SERVER
            lost = self.network.call(self.line.forget) or (seen is None and not self.durable)
            crowd_comes_back = (
                lost and books.epoch > FIRST_EPOCH and config.opens_ms <= self.clock.now_ms and books.ended_ms is None
            )
            orders = books.by_place()
            if orders:
                self.network.call(
                    lambda: self.line.restore([(order.place, order.buyer, order.outcome) for order in orders])
                )
            pointer = 0
            while pointer + 1 in books.orders:
                pointer += 1
            self.network.call(
                lambda: self.line.rebuild(
                    config,
                    epoch=books.epoch,
                    stock=self.ledger.units_left(),
                    pointer=pointer,
                    rejoin_ms=REJOIN_MS if crowd_comes_back else 0,
                    ended_ms=books.ended_ms or 0,
                    server=server,
                )
            )
            self.ledger.tick_off(books.on_their_way())

    def settle(self, upto: int, fault: Fault | None) -> int:
        settled = 0
        with self.network.breaking(fault):
            while True:
                self._settling += 1
                claim = self._reserve(f"settling {self._settling}", upto)
                if claim is None:
                    return settled
                decided = self.ledger.write(claim, self.clock.now_ms)
                if len(decided) < len(claim.places):
                    self._rebuild(claim.epoch)
                    return settled
                self._confirm(claim, decided)
                settled += len(decided)

    # --- orders ---------------------------------------------------------------------------------------------------

    def pay(self, place: int) -> str:
        if self.clock.now_ms < self.ledger.books.orders[place].pay_before_ms:
            self.ledger.decide(place, Order.Status.PAID)
        return self.ledger.books.orders[place].status

    def cancel(self, place: int) -> str:
        self.ledger.decide(place, Order.Status.CANCELLED)
        return self.ledger.books.orders[place].status

    # --- beat -----------------------------------------------------------------------------------------------------

    def give_back(self, fault: Fault | None) -> list[int]:
        books = self.ledger.books
        for order in books.by_place():
            if order.pay_before_ms <= self.clock.now_ms:
                self.ledger.decide(order.place, Order.Status.EXPIRED)
        orders = books.on_their_way()
        returned = [(order.buyer, order.outcome) for order in orders if isinstance(order.outcome, Released)]
        if not orders:
            return []
        with self.network.breaking(fault), self.ledger.transaction():
            try:
                self.network.call(lambda: self.line.release(returned))
            except SaleNotLoadedError:
                return []  # the rebuilt line has these units already
            self.ledger.tick_off(orders)
        return [len(self.line.kept.line)]

    def sweep(self, fault: Fault | None) -> list[int]:
        with self.network.breaking(fault):
            seen = self.network.call(self.look)
            if seen is None:
                self._rebuild(None)
                return []
            if self.ledger.books.ended_ms is None:
                self._publish(seen)
            if seen.expired_reservations or (seen.waiting and seen.stock > 0 and not seen.ended_ms):
                return [seen.places_issued]
            if self.ledger.books.ended_ms is None and (seen.ended_ms or self._is_decided(seen)):
                self._finish()
        return []

    def _publish(self, seen: Snapshot) -> None:
        config = self.ledger.books.config
        if config != SaleConfig(seen.stock_total, seen.opens_ms, seen.closes_ms, seen.status, seen.line_limit):
            self.network.call(lambda: self.line.configure(config))

    def _is_decided(self, seen: Snapshot) -> bool:
        """Return whether nothing can change any more for waiting buyers."""
        state = seen.state()
        if seen.reserved_units or state is State.SCHEDULED:
            return False
        if state is State.CLOSED and seen.waiting == 0:
            return True
        books = self.ledger.books
        paid = sum(order.status == Order.Status.PAID for order in books.orders.values())
        return seen.stock <= 0 and paid >= books.config.stock_total

    def _finish(self) -> None:
        seen = self.network.call(self.look)
        if seen is None or not (seen.ended_ms or self._is_decided(seen)):
            return
        if len(self.line.kept.outcomes) >= len(self.ledger.books.orders):
            self.ledger.books.ended_ms = self.network.call(self.line.finish) or None

    def reconcile(self, fault: Fault | None) -> None:
        books = self.ledger.books
        if books.ended_ms is not None:
            return
        with self.network.breaking(fault):
            seen = self.network.call(self.look)
            if seen is None:
                self._rebuild(None)
                return
            in_ledger = (self.ledger.units_left() - len(books.on_their_way()), len(books.orders))
            if not seen.reserved_units and (seen.stock, len(self.line.kept.outcomes)) != in_ledger:
                self._rebuild(seen.epoch)

    # --- shop and servers -----------------------------------------------------------------------------------------

    def change(self, config: SaleConfig) -> None:
        self.ledger.books.config = config

    def wipe(self) -> None:
        self.line.wipe()

    def remember(self) -> None:
        self._moments.append(self.line.kept.copy())

    def restart(self, back: int) -> None:
        if not self.durable:
            for _ in range(min(back, len(self._moments) - 1)):
                self._moments.pop()
            self.line.restart(self._moments[-1])

    # --- state ----------------------------------------------------------------------------------------------------

    def kept(self) -> Kept:
        return self.line.kept

    def books(self) -> Books:
        return self.ledger.books

    def look(self) -> Snapshot | None:
        return self.line.snapshot(lease_ms=LEASE_MS)

    def close(self) -> None:
        """Do nothing: there are no servers."""
