"""The sweeper: finds stuck lines, returns the doorbells to ring, and finishes decided sales."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from orders.expiry import expire_overdue_orders, release_units
from orders.ledger import write_orders
from orders.models import Order
from orders.payment import cancel, pay
from orders.reconciliation import rebuild_line
from orders.sweep import DueSettlement, sweep
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.commands import RejectReason
from seckill.line.keys import sale_keys
from seckill.line.line import Line
from seckill.line.state import State
from seckill.timestamps import from_epoch_ms, to_epoch_ms
from tests.conftest import MakeSale
from tests.orders.crowd import entries, in_line, join, reserve_and_die, sell, settle_all, snapshot_of, sold

pytestmark = pytest.mark.django_db

WEEK_SECONDS = 604_800


def ended_at_of(sale: Sale) -> int:
    """Return when the sale ended by the ledger, in milliseconds; 0 = not ended."""
    ended_at = Sale.objects.get(pk=sale.pk).ended_at
    return to_epoch_ms(ended_at) if ended_at else 0


def close_now(sale: Sale) -> None:
    """Close the window by SQL alone."""
    Sale.objects.filter(pk=sale.pk).update(closes_at=timezone.now() - timedelta(milliseconds=1))


def test_a_new_sale_is_loaded(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=57, publish=False)

    assert sweep(line) == []

    assert (snapshot_of(line, sale).epoch, snapshot_of(line, sale).stock) == (1, 57)
    assert join(line, sale, "ann") == [1]


def test_a_sale_that_redis_lost_is_rebuilt(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    sell(line, sale, "ann")
    line.client.flushall()

    assert sweep(line) == []

    assert (snapshot_of(line, sale).epoch, snapshot_of(line, sale).stock, snapshot_of(line, sale).pointer) == (2, 2, 1)


def test_the_bell_rings_where_people_wait_and_units_are_left(make_sale: MakeSale, line: Line) -> None:
    lively, idle = make_sale(stock=3), make_sale(stock=3)
    join(line, lively, "ann", "ben")  # and the worker's doorbell got lost

    assert sweep(line) == [DueSettlement(lively.pk, 2)]
    assert (entries(lively), snapshot_of(line, idle).stock) == ([], 3)

    settle_all(line, lively)
    assert sweep(line) == []


def test_no_bell_rings_for_people_without_units(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    sell(line, sale, "ann", "ben", "cleo")

    assert sweep(line) == []

    assert (snapshot_of(line, sale).waiting, ended_at_of(sale)) == (2, 0)


def test_the_bell_rings_for_a_reservation_whose_worker_fell_silent(
    make_sale: MakeSale, line: Line, settings: Settings
) -> None:
    sale = make_sale(stock=2)
    join(line, sale, "ann", "ben", "cleo")
    reserve_and_die(line, sale, upto=3)
    assert snapshot_of(line, sale).stock == 0
    assert sweep(line) == []  # the worker may be alive

    settings.RESERVATION_LEASE_SECONDS = -1
    assert sweep(line) == [DueSettlement(sale.pk, 3)]

    assert settle_all(line, sale) == 2
    assert sweep(line) == []
    assert entries(sale) == [(1, "ann", "pending"), (2, "ben", "pending")]


def test_the_bell_rings_again_for_units_that_came_back(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    cancel(sell(line, sale, "ann", "ben")["ann"])
    assert sweep(line) == []  # the unit is not released yet
    release_units(line)

    assert sweep(line) == [DueSettlement(sale.pk, 2)]


def test_a_sale_ends_when_every_unit_is_paid(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    orders = sell(line, sale, "ann", "ben", "cleo")
    pay(orders["ann"])
    pay(orders["ben"])

    assert sweep(line) == []

    seen = snapshot_of(line, sale)
    assert 0 < seen.ended_ms <= seen.now_ms
    assert ended_at_of(sale) == seen.ended_ms
    assert (seen.state(), seen.waiting) == (State.SOLD_OUT, 1)  # cleo's ticket says sold_out from now on
    assert join(line, sale, "dan", "cleo") == [RejectReason.SOLD_OUT, 3]
    assert sweep(line) == []
    assert snapshot_of(line, sale).ended_ms == seen.ended_ms


def test_a_sale_does_not_end_while_an_order_is_unpaid(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    orders = sell(line, sale, "ann", "ben", "cleo")
    pay(orders["ann"])

    assert sweep(line) == []

    assert (snapshot_of(line, sale).ended_ms, ended_at_of(sale)) == (0, 0)
    Order.objects.filter(buyer="ben").update(pay_before=timezone.now())
    expire_overdue_orders()
    release_units(line)
    assert sweep(line) == [DueSettlement(sale.pk, 3)]
    settle_all(line, sale)
    assert entries(sale) == [(1, "ann", "paid"), (2, "ben", "expired"), (3, "cleo", "pending")]
    assert ended_at_of(sale) == 0


def test_a_sale_that_gets_its_stock_before_it_opens_has_not_ended(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=0, opens_in=600)
    sweep(line)
    assert (snapshot_of(line, sale).ended_ms, ended_at_of(sale)) == (0, 0)

    Sale.objects.filter(pk=sale.pk).update(stock=2, opens_at=timezone.now() - timedelta(seconds=1))
    sweep(line)

    assert (sell(line, sale, "ann")["ann"].place, snapshot_of(line, sale).stock, ended_at_of(sale)) == (1, 1, 0)


def test_a_closed_sale_nobody_waits_for_has_ended(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=9)
    sell(line, sale, "ann")
    close_now(sale)

    sweep(line)  # applies the closing to the line
    sweep(line)

    assert ended_at_of(sale) == snapshot_of(line, sale).ended_ms > 0
    assert snapshot_of(line, sale).state() is State.CLOSED
    assert join(line, sale, "ben") == [RejectReason.CLOSED]
    assert entries(sale) == [(1, "ann", "pending")]


def test_a_closed_sale_does_not_end_while_somebody_could_still_win(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    orders = sell(line, sale, "ann", "ben")
    close_now(sale)

    for _ in range(3):
        assert sweep(line) == []
    assert ended_at_of(sale) == 0  # ann's order may expire; then it is ben's turn

    cancel(orders["ann"])
    release_units(line)
    assert sweep(line) == [DueSettlement(sale.pk, 2)]
    settle_all(line, sale)
    sweep(line)
    assert entries(sale) == [(1, "ann", "cancelled"), (2, "ben", "pending")]
    assert ended_at_of(sale) > 0  # no buyer waits any more


def test_a_closed_sale_does_not_end_while_places_are_being_settled(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    join(line, sale, "ann")
    reservation = reserve_and_die(line, sale, upto=1)
    Sale.objects.filter(pk=sale.pk).update(status=Sale.Status.CLOSED)
    for _ in range(2):
        assert sweep(line) == []
    assert (snapshot_of(line, sale).state(), snapshot_of(line, sale).waiting, ended_at_of(sale)) == (State.CLOSED, 0, 0)

    line.run(commands.confirm(reservation, write_orders(reservation)))
    sweep(line)

    assert ended_at_of(sale) > 0


def test_a_closed_sale_whose_line_was_lost_does_not_end_before_its_crowd_could_return(
    make_sale: MakeSale, line: Line, settings: Settings
) -> None:
    settings.REJOIN_SECONDS = 7_777
    sale = make_sale(stock=1)
    sell(line, sale, "ann", "ben")
    close_now(sale)
    line.client.flushall()

    for _ in range(3):
        assert sweep(line) == []

    assert (snapshot_of(line, sale).waiting, snapshot_of(line, sale).state()) == (0, State.CLOSED)
    assert (snapshot_of(line, sale).ended_ms, ended_at_of(sale)) == (0, 0)
    assert line.run(commands.rejoin(sale.pk, "ben", 2)) == (2, 2)


def test_a_process_that_died_while_ending_a_sale_ends_it_at_the_same_moment(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    pay(sell(line, sale, "ann", "ben")["ann"])
    ended_ms = line.run(commands.end_sale(sale.pk))  # and here the worker died
    assert ended_at_of(sale) == 0

    sweep(line)

    assert ended_at_of(sale) == ended_ms > 0


@pytest.mark.parametrize(
    ("column", "value", "field", "in_line_now"),
    [
        ("stock", 11, "stock_total", 11),
        ("status", "paused", "status", "paused"),
        ("line_limit", 3, "line_limit", 3),
        ("opens_at", from_epoch_ms(1_700_000_000_123), "opens_ms", 1_700_000_000_123),
        ("closes_at", from_epoch_ms(2_700_000_000_456), "closes_ms", 2_700_000_000_456),
    ],
)
def test_what_was_changed_by_sql_alone_reaches_the_line(
    make_sale: MakeSale, line: Line, column: str, value: object, field: str, in_line_now: object
) -> None:
    sale = make_sale(stock=5)
    sell(line, sale, "ann", "ben")
    assert getattr(snapshot_of(line, sale), field) != in_line_now
    Sale.objects.filter(pk=sale.pk).update(**{column: value})

    assert sweep(line) == []

    assert getattr(snapshot_of(line, sale), field) == in_line_now
    assert snapshot_of(line, sale).epoch == 1
    assert snapshot_of(line, sale).stock == (9 if column == "stock" else 3)
    assert in_line(line, sale) == ["ann", "ben"]


def test_a_window_moved_by_sql_lets_buyers_in_or_keeps_them_out(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=5, opens_in=600)
    assert join(line, sale, "ann") == [RejectReason.NOT_OPEN]
    Sale.objects.filter(pk=sale.pk).update(opens_at=timezone.now() - timedelta(seconds=1))
    sweep(line)
    assert join(line, sale, "ann") == [1]

    close_now(sale)
    sweep(line)
    assert join(line, sale, "ben", "ann") == [RejectReason.CLOSED, 1]


def test_units_added_to_a_sold_out_sale_go_to_those_who_wait(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    sell(line, sale, "ann", "ben", "cleo")
    Sale.objects.filter(pk=sale.pk).update(stock=2)

    sweep(line)
    assert sweep(line) == [DueSettlement(sale.pk, 3)]
    assert settle_all(line, sale) == 1

    assert (entries(sale)[-1], sold(sale), snapshot_of(line, sale).waiting) == ((2, "ben", "pending"), 2, 1)


def test_an_ended_sale_is_deleted_from_redis_after_a_week(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    orders = sell(line, sale, "ann", "ben")
    keys = sale_keys(sale.pk)
    assert line.client.ttl(keys.meta) == -1
    pay(orders["ann"])

    sweep(line)

    for key in (keys.meta, keys.stock, keys.line, keys.places, keys.pointer, keys.outcomes):
        assert WEEK_SECONDS - 60 < line.client.ttl(key) <= WEEK_SECONDS


def test_an_ended_sale_is_rebuilt_as_ended_after_a_wipe(make_sale: MakeSale, line: Line, settings: Settings) -> None:
    settings.REJOIN_SECONDS = 7_777
    sale = make_sale(stock=1)
    pay(sell(line, sale, "ann", "ben")["ann"])
    sweep(line)
    ended_ms = snapshot_of(line, sale).ended_ms
    line.client.flushall()

    assert sweep(line) == []

    seen = snapshot_of(line, sale)
    assert (seen.epoch, seen.ended_ms, seen.rejoin_until_ms, seen.stock) == (2, ended_ms, 0, 0)
    assert ended_at_of(sale) == ended_ms
    assert line.run(commands.rejoin(sale.pk, "ben", 2)) == (2, 0)
    assert WEEK_SECONDS - 60 < line.client.ttl(sale_keys(sale.pk).meta) <= WEEK_SECONDS
    assert WEEK_SECONDS - 60 < line.client.ttl(sale_keys(sale.pk).outcomes) <= WEEK_SECONDS


def test_a_sale_that_ended_more_than_a_week_ago_is_not_loaded_again(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1, publish=False)
    Sale.objects.filter(pk=sale.pk).update(ended_at=timezone.now() - timedelta(seconds=WEEK_SECONDS + 1))

    assert sweep(line) == []

    assert line.run(commands.snapshot(sale.pk, lease_seconds=5)) is None


def test_the_sweep_queries_the_ledger_once_for_any_number_of_quiet_sales(
    make_sale: MakeSale, line: Line, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for stock in (3, 5, 8, 13):
        make_sale(stock=stock)

    with django_assert_num_queries(1):
        assert sweep(line) == []


def test_an_end_that_only_the_line_has_is_an_end(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3, status=Sale.Status.CLOSED)
    ended_ms = line.run(commands.end_sale(sale.pk))  # and here the sweeper died
    Sale.objects.filter(pk=sale.pk).update(status=Sale.Status.OPEN)

    assert sweep(line) == []

    assert ended_ms == ended_at_of(sale) > 0


def test_a_sale_does_not_end_before_every_order_is_confirmed(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    reservation = reserve_and_die(line, sale, upto=join(line, sale, "ann")[0])
    write_orders(reservation)
    line.run(commands.confirm(reservation, []))  # a line that has lost ann's outcome
    Order.objects.update(status=Order.Status.PAID)
    line.client.set(sale_keys(sale.pk).stock, 0)

    assert sweep(line) == []
    assert ended_at_of(sale) == 0

    rebuild_line(line, sale.pk, broken_epoch=1)
    assert sweep(line) == []
    assert ended_at_of(sale) == snapshot_of(line, sale).ended_ms > 0


def test_a_sale_that_redis_refuses_to_look_at_leaves_the_others_alone(make_sale: MakeSale, line: Line) -> None:
    broken, sound = make_sale(stock=1), make_sale(stock=1)
    line.client.delete(sale_keys(broken.pk).pending)
    line.client.set(sale_keys(broken.pk).pending, "not a hash")
    line.run(commands.admit(sound.pk, ["olga"]))

    assert sweep(line) == [DueSettlement(sound.pk, 1)]
