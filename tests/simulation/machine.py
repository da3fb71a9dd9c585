"""Machine: random events of a sale in any order, with invariants checked after every step and at the end.

Hypothesis chooses the events and shrinks failures. Start with `tests.simulation.walk`. A doorbell that is
never delivered is lost, and a worker that never takes its next step has crashed. Both may also come back late.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import hypothesis.strategies as st
import redis
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orders.models import Order
from seckill.line.commands import Reservation, SaleConfig, SaleNotLoadedError
from seckill.line.tickets import Ticket
from tests.simulation.at_rest import check_the_end
from tests.simulation.clock import START_MS
from tests.simulation.happening import HAPPENINGS, Work, happens
from tests.simulation.invariants import (
    every_unit_is_in_exactly_one_place,
    everybody_stands_where_their_place_says,
    never_oversold,
    nobody_undecided_is_passed_without_a_claim,
    nobody_with_a_ticket_is_forgotten,
    one_order_for_a_buyer_and_a_place,
)
from tests.simulation.model_ledger import Books
from tests.simulation.model_line import Kept
from tests.simulation.network import Fault, Network
from tests.simulation.world import LEASE_MS, PAY_WITHIN_MS, REJOIN_MS, Answer, World

BUYERS = [f"b{number:02}" for number in range(24)]
LINE_LIMIT = 20  # fewer than there are buyers, so that the line can be full
STOCK_MAX = 12
HOUR_MS = 3_600_000
ROUNDS_TO_REST_MAX = 60
LEDGER_REFUSED = "the ledger refused"
SOME_FAULT = st.builds(Fault, calls=st.integers(0, 3), reply_lost=st.booleans())
FAULTS = st.one_of(st.none(), st.none(), st.none(), SOME_FAULT)

MakeWorld = Callable[..., World]  #: (config, durable=…, network=…)


class Machine(RuleBasedStateMachine):
    """One sale, some buyers, some workers, one sweeper."""

    make_world: ClassVar[MakeWorld]
    happened: ClassVar[Counter[str]]  #: over all walks
    broken_off: ClassVar[Counter[str]]  #: by error

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.bells: list[int] = []  #: at the broker
        self.at_work: list[Work] = []
        self.workers = 0
        self.confirmed: list[Work] = []  #: confirmations that may arrive again
        self.tickets: dict[str, list[Ticket]] = {}  #: by buyer, the newest last
        self.rejoined: set[str] = set()  #: buyers who came back after the line had lost them
        self.late_winners: set[str] = set()  #: buyers whose order was written for a line that was rebuilt in between
        self.stock_taken_away = False  #: units removed although buyers were promised them
        self.since_upset = 0  #: actions of buyers and workers since the last disturbance
        self.between_upsets = 0  #: actions between two disturbances: with none, the second one tests nothing new
        self.idle: set[str] = set()  #: events that would change nothing
        self.sound = False  #: whether everything was checked after the last step

    @initialize(
        stock=st.integers(1, 8),
        durable=st.booleans(),
        twice=st.booleans(),
        opens_later=st.booleans(),
        between_upsets=st.integers(1, 6),
        fault=FAULTS,
    )
    def load(
        self,
        *,
        stock: int,
        durable: bool,
        twice: bool,
        opens_later: bool,
        between_upsets: int,
        fault: Fault | None,
    ) -> None:
        """Create a sale and run the first sweep."""
        self.between_upsets = between_upsets
        opens_ms = START_MS + 999 if opens_later else START_MS - HOUR_MS
        config = SaleConfig(stock, opens_ms, START_MS + 3 * HOUR_MS, "open", LINE_LIMIT)
        self.world = type(self).make_world(config, durable=durable, network=Network(twice=twice))
        self.world.remember()
        self.attempt(lambda: self.world.sweep(fault))

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        """Run any event. An event that changed nothing is not chosen again until another one changes something."""
        possible = [name for name, it in HAPPENINGS.items() if name not in self.idle and it.when(self)]
        name = data.draw(
            st.sampled_from([name for name in possible for _ in range(HAPPENINGS[name].weight)]), label="happens"
        )
        self.happened[name] += 1
        self.sound = False
        before = self.everything()
        self.attempt(lambda: HAPPENINGS[name].do(self, data))
        self.idle = set() if self.everything() != before else self.idle | {name}

    def attempt(self, do: Callable[[], object]) -> None:
        """Run an action. When it fails or the sale is not loaded, its actor gives up."""
        try:
            do()
        except (redis.ConnectionError, SaleNotLoadedError) as error:
            self.broken_off[type(error).__name__] += 1

    def everything(self) -> tuple[Kept, Books, int, list[int], list[Work]]:
        return self.kept.copy(), self.books.copy(), self.world.clock.now_ms, [*self.bells], [*self.at_work]

    # --- buyers ---------------------------------------------------------------------------------------------------

    @happens(3)
    def join(self, data: st.DataObject) -> None:
        """A doorbell from the gate is delivered at once, or at any later time."""
        buyers = data.draw(st.lists(st.sampled_from(BUYERS), min_size=1, max_size=4), label="buyers")
        joined = self.world.join(buyers, data.draw(FAULTS, label="fault"))
        for answer in joined.answers:
            if isinstance(answer, Ticket):
                self.keep(answer)
        if joined.bell:
            self.since_upset += 1
            self.bells.append(joined.bell)
            if data.draw(st.sampled_from([True, True, True, False]), label="heard"):
                self.hear(joined.bell, again=False)

    def keep(self, ticket: Ticket) -> None:
        """Store a ticket. A buyer keeps no duplicates."""
        held = self.tickets.setdefault(ticket.buyer, [])
        if ticket in held:
            held.remove(ticket)
        held.append(ticket)

    @happens(1, lambda self: self.tickets)
    def poll(self, data: st.DataObject) -> None:
        buyer = data.draw(st.sampled_from(sorted(self.tickets)), label="buyer")
        ticket = data.draw(st.sampled_from(self.tickets[buyer]), label="ticket")
        self.ask(ticket, fresh=data.draw(st.booleans(), label="fresh"), fault=data.draw(FAULTS, label="fault"))

    @happens(2, lambda self: self.tickets)
    def everybody_polls(self, _: st.DataObject) -> None:
        self.ask_for_everybody()

    def ask_for_everybody(self) -> None:
        for held in [*self.tickets.values()]:
            self.ask(held[-1])

    def ask(self, ticket: Ticket, *, fresh: bool = True, fault: Fault | None = None) -> Answer:
        """Poll, and store the renewed ticket."""
        stood_in_line = ticket.buyer in self.kept.places
        answer = self.world.poll(ticket, fresh=fresh, fault=fault)
        if not stood_in_line and ticket.buyer in self.kept.places:
            self.rejoined.add(ticket.buyer)
        if isinstance(renewed := answer.get("ticket"), Ticket):
            self.keep(renewed)
        return answer

    def unpaid(self) -> list[int]:
        """Return the places whose orders are pending."""
        return [order.place for order in self.books.by_place() if order.status == Order.Status.PENDING]

    @happens(4, unpaid)
    def pay(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(self.unpaid()), label="place")
        if data.draw(st.sampled_from([False] * 7 + [True]), label="late"):
            self.world.advance(PAY_WITHIN_MS)
        on_time = self.world.clock.now_ms < self.books.orders[place].pay_before_ms
        assert self.world.pay(place) == (Order.Status.PAID if on_time else Order.Status.PENDING)

    @happens(2, unpaid)
    def cancel(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(self.unpaid()), label="place")
        assert self.world.cancel(place) == Order.Status.CANCELLED

    def decided(self) -> list[int]:
        """Return the places whose orders are not pending any more."""
        return [order.place for order in self.books.by_place() if order.status != Order.Status.PENDING]

    @happens(1, decided)
    def decide_too_late(self, data: st.DataObject) -> None:
        """A decided order does not change."""
        place = data.draw(st.sampled_from(self.decided()), label="place")
        status = self.books.orders[place].status
        assert self.world.pay(place) == self.world.cancel(place) == status

    # --- workers --------------------------------------------------------------------------------------------------

    @happens(5, lambda self: self.bells)
    def deliver(self, data: st.DataObject) -> None:
        """Deliver any of the doorbells. It may be delivered again."""
        bell = data.draw(st.sampled_from(self.bells), label="bell")
        self.hear(bell, again=data.draw(st.booleans(), label="again"))

    def hear(self, bell: int, *, again: bool) -> None:
        if not again:
            self.bells.remove(bell)
        self.start_work(max(bell, len(self.kept.line)))

    def start_work(self, upto: int) -> Work:
        self.workers += 1
        work = Work(f"worker {self.workers}", upto)
        self.at_work.append(work)
        return work

    @happens(20, lambda self: self.at_work)
    def proceed(self, data: st.DataObject) -> None:
        self.take_step(data.draw(st.sampled_from(self.at_work), label="work"), data)

    @happens(6, lambda self: self.kept.reservations)
    def take_over(self, data: st.DataObject) -> None:
        """A second worker reserves just before or after the first one's lease expires."""
        self.world.advance(data.draw(st.sampled_from([LEASE_MS, LEASE_MS + 1]), label="milliseconds"))
        self.take_step(self.start_work(len(self.kept.line)), data)

    def take_step(self, work: Work, data: st.DataObject) -> None:
        """Reserve, write or confirm. A worker that fails gives up."""
        self.since_upset += 1
        self.at_work.remove(work)
        if work.claim is None:
            work.claim = self.world.reserve(work.name, work.upto, data.draw(FAULTS, label="fault"))
            if work.claim is not None:
                self.check_claim(work.claim)
                self.at_work.append(work)
        elif work.decided is None:
            self.write(work, work.claim, data)
        else:
            self.world.confirm(work.claim, work.decided, data.draw(FAULTS, label="fault"))
            self.confirmed.append(work)
            self.at_work.append(Work(f"{work.name}, again", work.upto))

    def check_claim(self, claim: Reservation) -> None:
        """A reservation must be for undecided buyers in line, in order."""
        assert claim.places == sorted(claim.places)
        assert set(claim.places) <= set(self.kept.undecided(1, len(self.kept.line)))

    def write(self, work: Work, claim: Reservation, data: st.DataObject) -> None:
        had_order = {order.buyer for order in self.books.by_place()}
        commit = data.draw(st.sampled_from([True, True, True, False]), label="commit")
        decided = self.world.write(claim, commit=commit)
        if not commit:
            return
        if claim.epoch != self.books.epoch:
            self.late_winners |= {order.buyer for order in self.books.by_place()} - had_order
        if len(decided) < len(claim.places):
            self.broken_off[LEDGER_REFUSED] += 1
            self.world.rebuild(claim.epoch, data.draw(FAULTS, label="fault"))
            return
        work.decided = decided
        self.at_work.append(work)

    @happens(1, lambda self: self.confirmed)
    def confirm_again(self, data: st.DataObject) -> None:
        """Confirm again, as a message delivered much later."""
        work = data.draw(st.sampled_from(self.confirmed), label="work")
        assert work.claim is not None
        assert work.decided is not None
        self.world.confirm(work.claim, work.decided, None)

    @happens(5, lambda self: self.bells)
    def settle(self, data: st.DataObject) -> None:
        """A worker takes the oldest doorbell and runs all steps, until a fault interrupts it."""
        self.since_upset += 1
        self.world.settle(max(self.bells.pop(0), len(self.kept.line)), data.draw(FAULTS, label="fault"))

    # --- beat -----------------------------------------------------------------------------------------------------

    @happens(5)
    def sweep(self, data: st.DataObject) -> None:
        self.bells += set(self.world.sweep(data.draw(FAULTS, label="fault"))) - set(self.bells)

    @happens(2, lambda self: self.books.orders)
    def give_back(self, data: st.DataObject) -> None:
        """Release the units of expired and cancelled orders."""
        self.bells += set(self.world.give_back(data.draw(FAULTS, label="fault"))) - set(self.bells)

    @happens(1)
    def reconcile(self, data: st.DataObject) -> None:
        self.world.reconcile(data.draw(FAULTS, label="fault"))

    @happens(8, lambda self: self.tickets and not self.kept.is_known())
    def recover(self, data: st.DataObject) -> None:
        """Run a sweep, with some of the crowd back in time."""
        self.world.sweep(None)
        for buyer in data.draw(st.lists(st.sampled_from(sorted(self.tickets)), unique=True), label="in time"):
            self.ask(self.tickets[buyer][-1])
        self.world.advance(REJOIN_MS)

    # --- changes of the sale, and faults --------------------------------------------------------------------------

    @happens(1)
    def advance(self, data: st.DataObject) -> None:
        self.world.advance(
            data.draw(st.sampled_from([1, 999, LEASE_MS, LEASE_MS + 1, REJOIN_MS]), label="milliseconds")
        )

    def is_calm(self) -> bool:
        """Return whether enough has happened since the last disturbance."""
        return self.since_upset >= self.between_upsets

    @happens(2, is_calm)
    def long_wait(self, data: st.DataObject) -> None:
        self.since_upset = 0
        self.world.advance(data.draw(st.sampled_from([PAY_WITHIN_MS, HOUR_MS]), label="milliseconds"))

    def may_change(self) -> bool:
        """An ended sale does not change."""
        return self.is_calm() and self.books.ended_ms is None

    @happens(2, may_change)
    def stop_sale(self, data: st.DataObject) -> None:
        self.since_upset = 0
        self.change(status=data.draw(st.sampled_from(["paused", "closed"]), label="status"))

    @happens(3, lambda self: self.books.config.status != "open" and self.books.ended_ms is None)
    def reopen_sale(self, _: st.DataObject) -> None:
        self.change(status="open")

    @happens(2, may_change)
    def change_stock(self, data: st.DataObject) -> None:
        self.since_upset = 0
        stock = data.draw(st.integers(self.books.sold, STOCK_MAX), label="stock")
        self.stock_taken_away |= stock < self.books.config.stock_total
        self.change(stock_total=stock)

    def change(self, **fields: str | int) -> None:
        self.world.change(replace(self.books.config, **fields))  # type: ignore[arg-type]  # the fields of a config

    @happens(2, is_calm)
    def wipe(self, _: st.DataObject) -> None:
        self.since_upset = 0
        self.world.wipe()

    @happens(3, is_calm)
    def restart(self, data: st.DataObject) -> None:
        self.since_upset = 0
        self.world.restart(data.draw(st.integers(0, 7), label="back"))

    # --- invariants -----------------------------------------------------------------------------------------------

    @property
    def kept(self) -> Kept:
        return self.world.kept()

    @property
    def books(self) -> Books:
        return self.world.books()

    @invariant()
    def check(self) -> None:
        self.sound = False
        self.world.remember()
        kept, books = self.kept, self.books
        never_oversold(books)
        one_order_for_a_buyer_and_a_place(books)
        everybody_stands_where_their_place_says(kept)
        if kept.is_known():
            every_unit_is_in_exactly_one_place(kept)
            nobody_undecided_is_passed_without_a_claim(kept)
            nobody_with_a_ticket_is_forgotten(kept, self.tickets)
        self.sound = True

    # --- at the end -----------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """All workers are gone. Beat, one good worker and the crowd continue until no work is left."""
        try:
            if self.sound:  # otherwise the end would hide an earlier failure
                self.come_to_rest()
                check_the_end(self)
        finally:
            self.world.close()

    def come_to_rest(self) -> None:
        for _ in range(ROUNDS_TO_REST_MAX):
            before = (self.kept.copy(), self.books.copy())
            self.world.sweep(None)
            self.ask_for_everybody()
            self.world.advance(REJOIN_MS + 1)
            for bell in self.world.sweep(None):
                self.world.settle(max(bell, len(self.kept.line)), None)
            self.world.give_back(None)
            self.world.reconcile(None)
            self.check()
            if (self.kept, self.books) == before:
                return
        raise AssertionError("there is always something left to do")
