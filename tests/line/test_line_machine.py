"""Random events in any order: the line never sells a unit twice and stays first come, first served.

Hypothesis drives the real scripts on the real server through admissions, workers that crash, take over and come back
late, returned units and lost lines.
"""

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from seckill.line.commands import RejectReason, Reservation, SaleConfig
from seckill.line.line import get_line
from seckill.line.outcome import Released
from seckill.line.tickets import Ticket
from tests.line.machine_ledger import Ledger, Work
from tests.line.sale_in_line import AT_ONCE, SaleInLine

SALE_ID = 7
LINE_LIMIT = 30
STOCK_ADDED_MAX = 20
CLAIMS_BETWEEN_DISASTERS = 2  # a line lost again before any other event tests nothing new
BUYERS = [f"b{number:02}" for number in range(36)]
UPTO_END = 10_000


class LineMachine(RuleBasedStateMachine):
    """One sale, some buyers, some workers."""

    def __init__(self) -> None:
        super().__init__()
        self.sale = SaleInLine(get_line(), SALE_ID)
        self.sale.line.client.flushdb()
        self.ledger = Ledger(0)
        self.claims_made = 0
        self.claims_since_disaster = 0
        self.stock_added = 0
        self.at_work: list[Work] = []  #: workers that continue at some time
        self.confirmed: list[Work] = []  #: confirmations that may arrive again
        self.released: list[dict[str, Released]] = []  #: releases that may arrive again
        self.tickets: set[Ticket] = set()
        self.out_of_order: set[str] = set()  #: buyers who rejoined: their place does not show when they came
        self.late_winners: set[str] = set()  #: buyers whose order was written for a line rebuilt in between
        self.rebuilt_under_claims = False  #: a worker may have written, or may yet write, orders the line lacks

    # --- events of the shop ---------------------------------------------------------------------------------------

    def config(self) -> SaleConfig:
        return self.sale.config(stock=self.ledger.stock, line_limit=LINE_LIMIT)

    @initialize(stock=st.integers(1, 6), buyers=st.lists(st.sampled_from(BUYERS), min_size=1, max_size=8))
    def load(self, stock: int, buyers: list[str]) -> None:
        self.ledger = Ledger(stock, epoch=1)
        assert self.sale.rebuild(self.config(), epoch=1) == 1
        self.admit(buyers)

    @precondition(lambda self: self.stock_added < STOCK_ADDED_MAX and self.sale.snapshot().stock <= 1)
    @rule(more=st.integers(1, 4))
    def add_stock(self, more: int) -> None:
        left = self.sale.snapshot().stock
        self.ledger.stock += more
        self.stock_added += more
        for _ in range(2):
            assert self.sale.configure(self.config()) == left + more

    # --- events of buyers -----------------------------------------------------------------------------------------

    @rule(buyers=st.lists(st.sampled_from(BUYERS), min_size=1, max_size=6))
    def admit(self, buyers: list[str]) -> None:
        places = self.sale.places()
        length = self.sale.line.length(SALE_ID)
        expected: list[int | RejectReason] = []
        for buyer in buyers:
            if buyer not in places and length >= LINE_LIMIT:
                expected.append(RejectReason.SOLD_OUT)
                continue
            if buyer not in places:
                length += 1
                places[buyer] = length
            expected.append(places[buyer])

        assert self.sale.admit(*buyers) == expected

        self.tickets |= {
            Ticket(SALE_ID, places[buyer], buyer, self.ledger.epoch) for buyer in buyers if buyer in places
        }
        assert self.sale.places() == places

    @precondition(lambda self: self.lost_tickets())
    @rule(data=st.data())
    def rejoin(self, data: st.DataObject) -> None:
        lost = data.draw(st.sampled_from(self.lost_tickets()), label="ticket")
        pointer = self.sale.snapshot().pointer
        line = self.sale.buyers_in_line()
        beyond_the_end = len(line) < lost.place <= LINE_LIMIT
        still_free = pointer < lost.place <= len(line) and line[lost.place - 1] == ""
        expected = lost.place if beyond_the_end or still_free else len(line) + 1

        for _ in range(2):
            assert self.sale.rejoin(lost.buyer, lost.place) == (self.ledger.epoch, expected)

        self.out_of_order.add(lost.buyer)

    def lost_tickets(self) -> list[Ticket]:
        """Tickets with which the gate would rejoin: of undecided buyers who are not in line."""
        places = self.sale.places()
        return sorted(
            (
                ticket
                for ticket in self.tickets
                if ticket.buyer not in places and self.sale.outcome(ticket.buyer) is None
            ),
            key=lambda ticket: (ticket.buyer, ticket.epoch, ticket.place),
        )

    @precondition(lambda self: self.ledger.sold > 0)
    @rule(data=st.data(), release=st.booleans())
    def cancel(self, data: st.DataObject, release: bool) -> None:
        held = [order for order in self.ledger.orders if not order.given_back]
        data.draw(st.sampled_from(held), label="order").given_back = True
        if release:
            self.release_now()

    # --- events of workers ----------------------------------------------------------------------------------------

    def reserve_as(self, *, upto: int, chunk: int, lease_seconds: float) -> Reservation | None:
        """One worker's call, delivered twice."""
        self.claims_made += 1
        before = self.sale.snapshot()
        waiting = self.waiting_from(before.pointer + 1)
        name = f"claim {self.claims_made}"
        claim = self.sale.reserve(name, upto=upto, chunk=chunk, lease_seconds=lease_seconds)
        if claim is None:
            return None
        self.claims_since_disaster += 1
        assert claim.epoch == self.ledger.epoch
        assert claim.places == sorted(claim.places)
        assert self.sale.reserve(name, upto=upto, chunk=chunk, lease_seconds=60) == claim
        if self.sale.snapshot().pointer > before.pointer:  # new places: the next in line, without a gap
            assert claim.places == waiting[: len(claim.places)]
            assert claim.places[-1][0] <= upto
            assert len(claim.places) <= chunk
        return claim

    def waiting_from(self, place: int) -> list[tuple[int, str]]:
        """Return (place, buyer) of undecided buyers from a place on."""
        outcomes = self.sale.contents().get("outcomes", {})
        return [
            (at, buyer)
            for at, buyer in enumerate(self.sale.buyers_in_line(), 1)
            if at >= place and buyer and buyer not in outcomes
        ]

    def somebody_can_be_settled(self) -> bool:
        seen = self.sale.snapshot()
        return seen.stock > 0 and seen.waiting > 0

    @precondition(somebody_can_be_settled)
    @rule(upto=st.one_of(st.integers(1, LINE_LIMIT), st.just(UPTO_END)), chunk=st.integers(1, 5))
    def reserve(self, upto: int, chunk: int) -> None:
        claim = self.reserve_as(upto=upto, chunk=chunk, lease_seconds=60)
        if claim is not None:
            self.at_work.append(Work(claim))

    @precondition(lambda self: self.at_work)
    @rule(chunk=st.integers(1, 5))
    def take_over(self, chunk: int) -> None:
        claim = self.reserve_as(upto=UPTO_END, chunk=chunk, lease_seconds=AT_ONCE)
        if claim is not None:
            self.at_work.append(Work(claim))

    @precondition(somebody_can_be_settled)
    @rule(chunk=st.integers(1, 5), heir_first=st.booleans(), cancel=st.booleans())
    def settle_twice(self, chunk: int, heir_first: bool, cancel: bool) -> None:
        """Take over a live worker's reservation: two workers do the same work, and an order is cancelled in between."""
        silent = self.reserve_as(upto=UPTO_END, chunk=chunk, lease_seconds=60)
        heir = self.reserve_as(upto=UPTO_END, chunk=chunk, lease_seconds=AT_ONCE)
        works = [Work(claim) for claim in ((heir, silent) if heir_first else (silent, heir)) if claim is not None]
        self.at_work += works
        for work in works:
            self.write_down(work)
        for number, work in enumerate(works):
            if work not in self.at_work:
                continue
            self.at_work.remove(work)
            self.confirm_now(work)
            order = self.ledger.of(work.claim.places[0][1])
            if cancel and number == 0 and order is not None and not order.given_back:
                order.given_back = True
                self.release_now()

    @precondition(lambda self: self.at_work)
    @rule(data=st.data(), steps=st.integers(1, 3))
    def proceed(self, data: st.DataObject, steps: int) -> None:
        """Some workers take their next step: write the orders, then confirm."""
        for work in data.draw(st.permutations(self.at_work), label="work")[:steps]:
            if work.decided is None:
                self.write_down(work)
            elif work in self.at_work:
                self.at_work.remove(work)
                self.confirm_now(work)

    @precondition(somebody_can_be_settled)
    @rule(chunk=st.integers(1, 5))
    def settle(self, chunk: int) -> None:
        """A worker that runs all steps."""
        claim = self.reserve_as(upto=UPTO_END, chunk=chunk, lease_seconds=60)
        if claim is not None:
            self.finish_work(Work(claim))

    def finish_work(self, work: Work) -> None:
        self.at_work.append(work)
        self.write_down(work)
        if work in self.at_work:
            self.at_work.remove(work)
            self.confirm_now(work)

    def write_down(self, work: Work) -> None:
        known = {order.buyer for order in self.ledger.orders}
        work.decided = self.ledger.write(work.claim)
        if work.claim.epoch != self.ledger.epoch:
            self.late_winners |= {order.buyer for order in self.ledger.orders} - known
        if len(work.decided) < len(work.claim.places):
            assert self.rebuilt_under_claims  # otherwise Redis has promised units that do not exist
            self.at_work.remove(work)
            if work.claim.epoch == self.ledger.epoch:
                self.rebuild()

    def confirm_now(self, work: Work) -> None:
        assert work.decided is not None
        self.sale.confirm(work.claim, work.decided)
        self.confirmed.append(work)

    @precondition(lambda self: self.confirmed and self.somebody_can_be_settled())
    @rule(data=st.data())
    def confirm_again(self, data: st.DataObject) -> None:
        work = data.draw(st.sampled_from(self.confirmed), label="work")
        before = self.sale.contents()
        self.confirm_now(work)
        if work.claim.epoch == self.ledger.epoch:
            assert self.sale.contents() == before

    @precondition(lambda self: self.at_work)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        self.at_work.remove(data.draw(st.sampled_from(self.at_work), label="work"))

    @precondition(lambda self: any(order.given_back and not order.released for order in self.ledger.orders))
    @rule()
    def release(self) -> None:
        self.release_now()

    def release_now(self) -> None:
        """As `orders.expiry.release_units`."""
        orders = [order for order in self.ledger.orders if order.given_back and not order.released]
        outcomes = {order.buyer: Released("cancelled") for order in orders}
        self.sale.release(outcomes)
        for order in orders:
            order.released = True
        self.released.append(outcomes)

    @precondition(lambda self: self.released)
    @rule(data=st.data())
    def release_again(self, data: st.DataObject) -> None:
        before = self.sale.contents()
        assert self.sale.release(data.draw(st.sampled_from(self.released), label="release")) == 0
        assert self.sale.contents() == before

    # --- faults ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.claims_since_disaster >= CLAIMS_BETWEEN_DISASTERS)
    @rule()
    def rebuild(self) -> None:
        """As `orders.reconciliation.rebuild_line`: buyers in line stay there."""
        self.rebuilt_under_claims |= bool(self.at_work) or self.sale.snapshot().reserved_units > 0
        self.sale.line.invalidate(SALE_ID)
        self.build_from_ledger()

    @precondition(lambda self: self.claims_since_disaster >= CLAIMS_BETWEEN_DISASTERS)
    @rule()
    def lose_everything(self) -> None:
        self.rebuilt_under_claims = True
        self.sale.line.client.flushdb()
        self.build_from_ledger()

    def build_from_ledger(self) -> None:
        self.claims_since_disaster = 0
        orders = sorted(self.ledger.orders, key=lambda order: order.place)
        decided = 0
        for order in orders:
            if order.place == decided + 1:
                decided = order.place
        for _ in range(2):
            self.sale.restore((order.place, order.buyer, order.outcome) for order in orders)
        self.ledger.epoch += 1
        for _ in range(2):
            assert self.ledger.epoch == self.sale.rebuild(
                self.config(),
                epoch=self.ledger.epoch,
                stock_left=self.ledger.stock - self.ledger.sold,
                pointer=decided,
            )

    # --- invariants -----------------------------------------------------------------------------------------------

    @invariant()
    def never_more_is_sold_than_there_is(self) -> None:
        assert 0 <= self.ledger.sold <= self.ledger.stock

    @invariant()
    def a_buyer_has_one_order_and_a_place_leads_to_one(self) -> None:
        orders = self.ledger.orders
        assert len({order.buyer for order in orders}) == len({order.place for order in orders}) == len(orders)

    @invariant()
    def every_unit_is_in_exactly_one_place(self) -> None:
        """Each unit is left, reserved, or held by a buyer's order: at every moment, whatever was counted twice."""
        if self.ledger.epoch == 0:
            return
        seen = self.sale.snapshot()
        outcomes = self.sale.contents().get("outcomes", {}).values()
        with_buyers = sum(outcome.startswith("c ") for outcome in outcomes)
        assert seen.stock + seen.reserved_units + with_buyers == seen.stock_total == self.ledger.stock

    @invariant()
    def everybody_stands_where_their_place_says(self) -> None:
        line = self.sale.buyers_in_line()
        places = self.sale.places()
        decided = self.sale.contents().get("outcomes", {})
        assert all(line[place - 1] == buyer for buyer, place in places.items())
        for place, buyer in enumerate(line, 1):
            assert buyer == "" or places.get(buyer) == place or buyer in decided

    @invariant()
    def nobody_undecided_is_passed_without_a_claim(self) -> None:
        if self.ledger.epoch == 0:
            return
        pending = [record.split(" ") for record in self.sale.contents().get("pending", {}).values()]
        claimed = {place for first, last, _, _ in pending for place in range(int(first), int(last) + 1)}
        pointer = self.sale.snapshot().pointer
        assert {place for place, _ in self.waiting_from(1) if place <= pointer} <= claimed

    # --- at the end -----------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """All workers are gone. The sweeper, one good worker and the reconciler continue until no work is left."""
        if self.ledger.epoch:
            self.drain()
            self.check_the_end()
        self.sale.line.client.flushdb()

    def drain(self) -> None:
        self.at_work.clear()
        for _ in range(50):
            if any(order.given_back and not order.released for order in self.ledger.orders):
                self.release_now()
            claim = self.reserve_as(upto=UPTO_END, chunk=500, lease_seconds=AT_ONCE)
            if claim is not None:
                self.finish_work(Work(claim))
            elif self.drifts():
                assert self.rebuilt_under_claims  # no drift unless a line was lost while a worker was busy
                self.rebuild()
            else:
                return
            self.every_unit_is_in_exactly_one_place()
        raise AssertionError("there is always something left to do")

    def drifts(self) -> bool:
        """As `orders.reconciliation.find_drift`."""
        outcomes = self.sale.contents().get("outcomes", {})
        in_line = (self.sale.snapshot().stock, len(outcomes))
        return in_line != (self.ledger.stock - self.ledger.sold, len(self.ledger.orders))

    def check_the_end(self) -> None:
        self.never_more_is_sold_than_there_is()
        self.a_buyer_has_one_order_and_a_place_leads_to_one()
        self.everybody_stands_where_their_place_says()
        seen = self.sale.snapshot()
        waiting = self.waiting_from(1)
        assert seen.reserved_units == 0
        assert seen.stock == self.ledger.stock - self.ledger.sold
        if waiting:
            assert self.ledger.sold == self.ledger.stock  # no buyer waits while there is a unit
        else:
            assert seen.stock >= 0
        for order in self.ledger.orders:
            assert self.sale.outcome(order.buyer) == order.outcome
        exempt = self.out_of_order | self.late_winners
        winners = [order.place for order in self.ledger.orders if order.buyer not in exempt]
        losers = [place for place, buyer in waiting if buyer not in exempt]
        assert max(winners, default=0) < min(losers, default=UPTO_END)  # first come, first served


LineMachine.TestCase.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
TestLine = LineMachine.TestCase
