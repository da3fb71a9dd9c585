"""What holds once no work is left."""

from typing import TYPE_CHECKING

from tests.simulation.model_ledger import HOLDING, Books

if TYPE_CHECKING:
    from tests.simulation.machine import Machine


def first_come_first_served(machine: "Machine", books: Books, waiting: list[tuple[int, str]]) -> None:
    """Check the order among buyers whom the line never lost."""
    moved = machine.rejoined | machine.late_winners
    winners = [order.place for order in books.by_place() if order.buyer not in moved]
    losers = [place for place, buyer in waiting if buyer not in moved]
    assert max(winners, default=0) < min(losers, default=books.config.line_limit + 1)


def check_the_end(machine: "Machine") -> None:
    """Check that no work is left, every buyer is answered, and the order was kept."""
    kept, books = machine.kept, machine.books
    assert kept.is_known()
    assert kept.meta is not None
    assert kept.reservations == {}
    assert kept.stock == books.config.stock_total - books.sold
    assert kept.outcomes == {order.buyer: order.outcome for order in books.by_place()}
    assert kept.meta.ended_ms == (books.ended_ms or 0)
    waiting = kept.undecided(1, len(kept.line))
    if not machine.stock_taken_away:
        first_come_first_served(machine, books, waiting)
    if waiting and not books.ended_ms:
        assert books.sold == books.config.stock_total  # no buyer waits while there is a unit
    if not books.ended_ms:
        assert set(machine.tickets) <= {*kept.places, *kept.outcomes}  # every buyer is back
    for buyer, held in [*machine.tickets.items()]:
        expected = "sold_out" if books.ended_ms else "waitlisted"
        if (order := books.of(buyer)) is not None:
            expected = "confirmed" if order.status in HOLDING else "released"
        assert {machine.ask(ticket)["status"] for ticket in [*held]} == {expected}
