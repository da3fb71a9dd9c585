"""Workers that die after reserving places or after writing orders, and workers wrongly taken for dead."""

import pytest
from pytest_django import Settings

from orders.ledger import write_orders
from orders.models import Order
from orders.reconciliation import rebuild_line
from orders.settlement import settle
from seckill.line import commands
from seckill.line.line import Line
from seckill.line.outcome import Confirmed
from seckill.timestamps import to_epoch_ms
from tests.conftest import MakeSale
from tests.orders.crowd import entries, join, reserve_and_die, settle_all, snapshot_of, sold

pytestmark = pytest.mark.django_db


@pytest.fixture
def lease_is_over(settings: Settings) -> None:
    """Let every lease expire at once (0 would spare a reservation made in the same millisecond)."""
    settings.RESERVATION_LEASE_SECONDS = -1


@pytest.mark.usefixtures("lease_is_over")
def test_places_of_a_worker_that_died_before_writing_are_taken_over(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    join(line, sale, "ann", "ben")
    reserve_and_die(line, sale, upto=2)
    assert (snapshot_of(line, sale).reserved_units, snapshot_of(line, sale).expired_reservations, entries(sale)) == (
        2,
        1,
        [],
    )

    assert settle(line, sale.pk, upto=2) == 2

    assert entries(sale) == [(1, "ann", "pending"), (2, "ben", "pending")]
    after = snapshot_of(line, sale)
    assert (sold(sale), after.stock, after.reserved_units, after.expired_reservations) == (2, 1, 0, 0)


def test_a_reservation_is_left_alone_while_its_worker_may_be_alive(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    join(line, sale, "ann", "ben", "cleo")
    reservation = reserve_and_die(line, sale, upto=2)

    assert settle(line, sale.pk, upto=3) == 1  # only cleo, behind the reserved places

    assert entries(sale) == [(3, "cleo", "pending")]
    assert snapshot_of(line, sale).reserved_units == 2
    line.run(commands.confirm(reservation, write_orders(reservation)))  # the worker was alive
    assert [place for place, _, _ in entries(sale)] == [1, 2, 3]
    assert (sold(sale), snapshot_of(line, sale).stock, snapshot_of(line, sale).reserved_units) == (3, 0, 0)


@pytest.mark.usefixtures("lease_is_over")
def test_orders_of_a_worker_that_died_before_confirming_are_confirmed_with_the_same_numbers(
    make_sale: MakeSale, line: Line
) -> None:
    sale = make_sale(stock=2)
    join(line, sale, "ann", "ben", "cleo")
    write_orders(reserve_and_die(line, sale, upto=3))
    written = {order.buyer: order for order in Order.objects.all()}
    assert (sorted(written), line.outcome(sale.pk, "ann"), sold(sale)) == (["ann", "ben"], None, 2)

    assert settle(line, sale.pk, upto=3) == 2

    assert dict(Order.objects.values_list("buyer", "number")) == {
        "ann": written["ann"].number,
        "ben": written["ben"].number,
    }
    assert line.outcome(sale.pk, "ben") == Confirmed(written["ben"].number, to_epoch_ms(written["ben"].pay_before))
    assert (sold(sale), snapshot_of(line, sale).stock, snapshot_of(line, sale).reserved_units) == (2, 0, 0)


@pytest.mark.usefixtures("lease_is_over")
def test_a_worker_that_was_only_slow_neither_sells_nor_counts_a_unit_twice(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    join(line, sale, "ann", "ben")
    slow = reserve_and_die(line, sale, upto=2)
    assert settle(line, sale.pk, upto=2) == 2  # by another worker
    numbers = dict(Order.objects.values_list("buyer", "number"))

    line.run(commands.confirm(slow, write_orders(slow)))

    assert dict(Order.objects.values_list("buyer", "number")) == numbers
    assert (sold(sale), snapshot_of(line, sale).stock, snapshot_of(line, sale).reserved_units) == (2, 1, 0)


@pytest.mark.usefixtures("lease_is_over")
def test_a_slow_worker_that_confirms_first_leaves_the_same_books(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    join(line, sale, "ann", "ben")
    slow = reserve_and_die(line, sale, upto=2)
    thief = line.run(commands.reserve(sale.pk, "thief", upto=2, chunk=500, lease_seconds=-1))
    assert thief is not None
    assert thief.places == [(1, "ann"), (2, "ben")]

    line.run(commands.confirm(slow, write_orders(slow)))
    assert (
        snapshot_of(line, sale).stock == -1
    )  # counted twice for a moment: too few units is safe, too many would not be
    line.run(commands.confirm(thief, write_orders(thief)))

    assert (sold(sale), snapshot_of(line, sale).stock, snapshot_of(line, sale).reserved_units) == (2, 1, 0)
    assert settle_all(line, sale) == 0
    assert entries(sale) == [(1, "ann", "pending"), (2, "ben", "pending")]


def test_a_reservation_from_before_a_rebuild_is_written_and_counted_once(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    join(line, sale, "ann", "ben")
    reservation = reserve_and_die(line, sale, upto=2)
    rebuild_line(line, sale.pk, broken_epoch=1)  # drops the reservation; the buyers are still in line
    assert (snapshot_of(line, sale).epoch, snapshot_of(line, sale).stock, snapshot_of(line, sale).pointer) == (2, 3, 0)

    line.run(commands.confirm(reservation, write_orders(reservation)))

    assert (sold(sale), snapshot_of(line, sale).stock) == (2, 1)
    assert settle(line, sale.pk, upto=2) == 0
    assert entries(sale) == [(1, "ann", "pending"), (2, "ben", "pending")]
