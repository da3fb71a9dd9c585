"""Negative control: with a guard removed from the model, the simulation finds the violation."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from seckill.line.commands import Reservation
from seckill.line.outcome import Outcome
from seckill.line.snapshot import Snapshot
from seckill.line.tickets import Ticket
from tests.simulation.model_ledger import ModelLedger
from tests.simulation.model_line import Kept, ModelLine
from tests.simulation.model_world import ModelWorld
from tests.simulation.walk import walk
from tests.simulation.world import Answer

SEED = 1
WALKS = 600
STEPS_A_WALK = 50


class GreedyLine(ModelLine):
    """Confirming returns no unused units."""

    def confirm(self, reservation_id: str, outcomes: Iterable[tuple[str, Outcome]]) -> int:
        before = self.kept.stock or 0
        self.kept.stock = min(before, super().confirm(reservation_id, outcomes))
        return self.kept.stock


class ForgetfulLine(ModelLine):
    """A buyer who purchases twice gets two places."""

    def _place_of(self, buyer: str) -> int | None:  # noqa: ARG002 (that is the point)
        return None


class PatientLine(ModelLine):
    """Expired reservations are not taken over."""

    def reserve(self, reservation_id: str, *, upto: int, chunk: int, lease_ms: int) -> Reservation | None:
        return super().reserve(reservation_id, upto=upto, chunk=chunk, lease_ms=lease_ms + 10**12)


class SecretiveLine(ModelLine):
    """A restart of the server goes unnoticed."""

    def restart(self, kept: Kept) -> None:
        self.kept = kept.copy()


class UnfairLine(ModelLine):
    """The last unit goes to the second buyer in line."""

    def reserve(self, reservation_id: str, *, upto: int, chunk: int, lease_ms: int) -> Reservation | None:
        pointer = self.kept.pointer or 0
        unfair = self.kept.stock == 1 and len(self.kept.undecided(pointer + 1, pointer + 2)) == 2
        self.kept.pointer = pointer + unfair
        claim = super().reserve(reservation_id, upto=upto, chunk=chunk, lease_ms=lease_ms)
        if unfair:
            self.kept.pointer = pointer
        return claim


class TrustingLedger(ModelLedger):
    """Sells whatever the line promises."""

    def may_sell(self) -> bool:
        return True


class GenerousLedger(ModelLedger):
    """All orders of a reservation go to its first buyer."""

    def write(self, claim: Reservation, now_ms: int) -> dict[str, Outcome]:
        decided = super().write(claim, now_ms)
        first, orders = claim.places[0][1], self.books.orders
        orders |= {place: replace(orders[place], buyer=first) for place, _ in claim.places if place in orders}
        return decided


class Greedy(ModelWorld):
    line_type = GreedyLine


class Forgetful(ModelWorld):
    line_type = ForgetfulLine


class Patient(ModelWorld):
    line_type = PatientLine


class Secretive(ModelWorld):
    line_type = SecretiveLine


class Trusting(ModelWorld):
    ledger_type = TrustingLedger


class Generous(ModelWorld):
    ledger_type = GenerousLedger


class Unfair(ModelWorld):
    line_type = UnfairLine


class Lazy(ModelWorld):
    """The gate looks up no buyer behind the pointer."""

    def _looked_up(self, ticket: Ticket, seen: Snapshot) -> Answer:
        return super()._looked_up(ticket, seen) if ticket.place <= seen.pointer else self._waiting(seen, ticket.place)


@pytest.mark.parametrize(
    ("world", "broken"),
    [
        (Greedy, "every_unit_is_in_exactly_one_place"),
        (Forgetful, "everybody_stands_where_their_place_says"),
        (Patient, "check_the_end"),
        (Secretive, "nobody_with_a_ticket_is_forgotten"),
        (Trusting, "never_oversold"),
        (Generous, "one_order_for_a_buyer_and_a_place"),
        (Unfair, "first_come_first_served"),
        (Lazy, "check_the_end"),
    ],
)
def test_a_missing_guard_is_found(world: type[ModelWorld], broken: str) -> None:
    with pytest.raises(AssertionError) as found:
        walk(world, walks=WALKS, steps=STEPS_A_WALK, seed_number=SEED, shorten=False)

    assert found.traceback[-1].name == broken
