"""What holds in line and ledger after every step."""

from seckill.line.outcome import Confirmed
from seckill.line.tickets import Ticket
from tests.simulation.model_ledger import HOLDING, Books
from tests.simulation.model_line import Kept
from tests.simulation.model_world import FIRST_EPOCH


def never_oversold(books: Books) -> None:
    holding = [order for order in books.by_place() if order.status in HOLDING]
    assert len(holding) == books.sold <= books.config.stock_total


def one_order_for_a_buyer_and_a_place(books: Books) -> None:
    orders = books.by_place()
    assert len({order.buyer for order in orders}) == len({order.place for order in orders}) == len(orders)


def everybody_stands_where_their_place_says(kept: Kept) -> None:
    assert [kept.line[place - 1] for place in kept.places.values()] == [*kept.places]
    if kept.is_known():
        assert {(buyer, place) for place, buyer in kept.undecided(1, len(kept.line))} <= {*kept.places.items()}


def every_unit_is_in_exactly_one_place(kept: Kept) -> None:
    """Each unit is left, reserved, or held by a buyer's order: at every moment, whatever was counted twice."""
    assert kept.meta is not None
    assert kept.stock is not None
    claimed = sum(claimed.units for claimed in kept.reservations.values())
    with_buyers = sum(isinstance(outcome, Confirmed) for outcome in kept.outcomes.values())
    assert kept.stock + claimed + with_buyers == kept.meta.config.stock_total


def nobody_undecided_is_passed_without_a_claim(kept: Kept) -> None:
    claimed = {place for claim in kept.reservations.values() for place in range(claim.first, claim.last + 1)}
    assert {place for place, _ in kept.undecided(1, kept.pointer or 0)} <= claimed


def nobody_with_a_ticket_is_forgotten(kept: Kept, tickets: dict[str, list[Ticket]]) -> None:
    """A buyer whom the gate does not look up stands in line. All others are looked up and return by polling."""
    assert kept.meta is not None
    for held in tickets.values():
        for ticket in held:
            if ticket.epoch == kept.meta.epoch == FIRST_EPOCH and ticket.place > (kept.pointer or 0):
                assert kept.places.get(ticket.buyer) == ticket.place
