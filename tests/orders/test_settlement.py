"""Settlement on a real line and a real ledger."""

import re
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from orders.ledger import write_orders
from orders.models import Order
from orders.settlement import settle
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.line import Line
from seckill.line.outcome import Confirmed, Released
from seckill.timestamps import to_epoch_ms
from tests.conftest import MakeSale
from tests.orders.crowd import (
    add_units_behind_its_back,
    entries,
    in_line,
    join,
    reserve_and_die,
    sell,
    settle_all,
    snapshot_of,
    sold,
)

pytestmark = pytest.mark.django_db


def order_from_before(sale: Sale, buyer: str, place: int, status: str) -> Order:
    """Write an order that Redis has lost; count it as sold if it holds a unit."""
    now = timezone.now()
    order = Order.objects.create(
        sale=sale, buyer=buyer, place=place, price=sale.price, currency=sale.currency, status=status,
        created_at=now, pay_before=now + timedelta(seconds=900),
    )  # fmt: skip
    Sale.objects.filter(pk=sale.pk).update(sold=int(status in (Order.Status.PENDING, Order.Status.PAID)))
    return order


def test_the_first_in_line_get_the_units(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    assert join(line, sale, "ann", "ben", "cleo", "dan") == [1, 2, 3, 4]

    assert settle(line, sale.pk, upto=4) == 3

    assert entries(sale) == [(1, "ann", "pending"), (2, "ben", "pending"), (3, "cleo", "pending")]
    assert sold(sale) == 3
    assert (snapshot_of(line, sale).stock, snapshot_of(line, sale).pointer, snapshot_of(line, sale).waiting) == (
        0,
        3,
        1,
    )
    assert line.outcome(sale.pk, "dan") is None


def test_an_order_carries_the_price_of_its_sale_and_the_time_to_pay(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1, price=Decimal("1234.56"), currency="CHF", pay_within_seconds=77)

    order = sell(line, sale, "ann")["ann"]

    assert (order.price, order.currency, order.status_changed_at, order.released_at) == (
        Decimal("1234.56"),
        "CHF",
        None,
        None,
    )
    assert order.pay_before - order.created_at == timedelta(seconds=77)


def test_the_line_has_the_number_and_the_deadline_of_each_buyers_order(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)

    orders = sell(line, sale, "ann", "ben")

    assert {buyer: line.outcome(sale.pk, buyer) for buyer in ("ann", "ben")} == {
        buyer: Confirmed(order.number, to_epoch_ms(order.pay_before)) for buyer, order in orders.items()
    }


def test_a_doorbell_settles_up_to_its_place_and_no_further(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=9)
    join(line, sale, "ann", "ben", "cleo", "dan", "eve")

    assert settle(line, sale.pk, upto=2) == 2
    assert entries(sale) == [(1, "ann", "pending"), (2, "ben", "pending")]
    assert (snapshot_of(line, sale).pointer, snapshot_of(line, sale).stock) == (2, 7)

    assert settle(line, sale.pk, upto=4_821) == 3
    assert [buyer for _, buyer, _ in entries(sale)] == ["ann", "ben", "cleo", "dan", "eve"]


def test_a_long_line_is_settled_in_chunks_of_one_insert_each(
    make_sale: MakeSale, line: Line, settings: Settings
) -> None:
    settings.SETTLE_CHUNK = 4
    sale = make_sale(stock=9)
    join(line, sale, *(f"kettle-fan-{number}" for number in range(11)))

    with CaptureQueriesContext(connection) as queries:
        assert settle(line, sale.pk, upto=11) == 9

    inserts = Counter(found[1] for query in queries if (found := re.match(r'\s*INSERT INTO "?(\w+)', query["sql"])))
    assert inserts == {"orders_order": 3, "orders_event": 3}  # 4 + 4 + 1
    assert entries(sale) == [(place, f"kettle-fan-{place - 1}", "pending") for place in range(1, 10)]
    assert sold(sale) == 9


def test_a_second_doorbell_changes_nothing(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    numbers = {buyer: order.number for buyer, order in sell(line, sale, "ann", "ben", "cleo").items()}
    before = snapshot_of(line, sale)

    assert settle(line, sale.pk, upto=3) == 0

    assert dict(Order.objects.values_list("buyer", "number")) == numbers
    assert sold(sale) == 2
    after = snapshot_of(line, sale)
    assert (after.stock, after.pointer, after.epoch) == (before.stock, before.pointer, before.epoch) == (0, 2, 1)


def test_settling_an_empty_line_is_no_work(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)

    assert settle(line, sale.pk, upto=0) == 0

    assert (entries(sale), sold(sale), snapshot_of(line, sale).stock) == ([], 0, 2)


def test_a_sale_redis_does_not_know_is_settled_for_nobody(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    join(line, sale, "ann")
    line.invalidate(sale.pk)

    with pytest.raises(commands.SaleNotLoadedError, match=f"sale {sale.pk} is not loaded in Redis"):
        settle(line, sale.pk, upto=1)

    assert (entries(sale), sold(sale)) == ([], 0)
    assert in_line(line, sale) == ["ann"]


def test_two_sales_do_not_touch_each_other(make_sale: MakeSale, line: Line) -> None:
    kettles, lamps = make_sale(stock=1), make_sale(stock=5)
    join(line, kettles, "ann", "ben")
    join(line, lamps, "ben", "ann")

    assert settle_all(line, kettles) == 1

    assert entries(kettles) == [(1, "ann", "pending")]
    assert (entries(lamps), sold(lamps), snapshot_of(line, lamps).stock) == ([], 0, 5)


def test_when_redis_promises_more_than_the_ledger_has_nothing_is_oversold(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    join(line, sale, "ann", "ben", "cleo", "dan", "eve")
    add_units_behind_its_back(line, sale, 40)

    settle(line, sale.pk, upto=5)

    assert entries(sale) == [(1, "ann", "pending"), (2, "ben", "pending"), (3, "cleo", "pending")]
    assert sold(sale) == 3
    after = snapshot_of(line, sale)
    assert (after.epoch, after.stock, after.pointer, after.waiting, after.reserved_units) == (2, 0, 3, 2, 0)
    assert in_line(line, sale) == ["ann", "ben", "cleo", "dan", "eve"]  # dan and eve wait at their places
    assert join(line, sale, "eve", "dan") == [5, 4]
    assert line.outcome(sale.pk, "dan") is None
    assert line.outcome(sale.pk, "cleo") == Confirmed(
        (cleo := Order.objects.get(buyer="cleo")).number, to_epoch_ms(cleo.pay_before)
    )
    assert settle(line, sale.pk, upto=5) == 0


def test_a_redis_that_promises_units_of_a_sold_out_sale_sells_nothing(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    sell(line, sale, "ann", "ben")
    add_units_behind_its_back(line, sale, 1)

    assert settle(line, sale.pk, upto=2) == 0

    assert (entries(sale), sold(sale)) == ([(1, "ann", "pending")], 1)
    assert (snapshot_of(line, sale).epoch, snapshot_of(line, sale).stock, snapshot_of(line, sale).waiting) == (2, 0, 1)


def test_a_buyer_with_an_order_at_another_place_keeps_that_one(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    order = order_from_before(sale, "ann", 9, Order.Status.PENDING)
    join(line, sale, "ann", "ben")

    assert settle(line, sale.pk, upto=2) == 2

    assert entries(sale) == [(2, "ben", "pending"), (9, "ann", "pending")]
    assert line.outcome(sale.pk, "ann") == Confirmed(order.number, to_epoch_ms(order.pay_before))
    assert (sold(sale), snapshot_of(line, sale).stock) == (2, 1)


def test_the_unit_reserved_for_a_buyer_whose_order_was_released_goes_to_the_next(
    make_sale: MakeSale, line: Line
) -> None:
    sale = make_sale(stock=1)
    order_from_before(sale, "ann", 9, Order.Status.CANCELLED)
    join(line, sale, "ann", "ben")

    assert settle(line, sale.pk, upto=2) == 2  # ann's outcome, and ben's order

    assert entries(sale) == [(2, "ben", "pending"), (9, "ann", "cancelled")]
    assert line.outcome(sale.pk, "ann") == Released("cancelled")
    assert (sold(sale), snapshot_of(line, sale).stock) == (1, 0)


def test_a_place_that_is_somebody_elses_in_the_ledger_is_not_sold_again(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    order_from_before(sale, "zoe", 1, Order.Status.PAID)
    join(line, sale, "ann", "ben")  # a Redis that had lost zoe gave her place to ann

    settle(line, sale.pk, upto=2)

    assert entries(sale) == [(1, "zoe", "paid"), (2, "ben", "pending")]
    assert (sold(sale), snapshot_of(line, sale).epoch, snapshot_of(line, sale).stock) == (2, 2, 1)
    assert in_line(line, sale) == ["zoe", "ben"]
    assert join(line, sale, "ann") == [3]  # the ledger wins: she queues at the end
    assert settle(line, sale.pk, upto=3) == 1
    assert entries(sale)[-1] == (3, "ann", "pending")


def test_writing_a_reservation_twice_gives_the_same_orders(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=5)
    join(line, sale, "ann", "ben", "cleo")
    reservation = reserve_and_die(line, sale, upto=3)

    first, again = write_orders(reservation), write_orders(reservation)

    assert sorted(buyer for buyer, _ in first) == ["ann", "ben", "cleo"]
    # PostgreSQL stores microseconds, the outcome milliseconds; both results must be equal
    assert sorted(first, key=str) == sorted(again, key=str)
    assert (Order.objects.count(), sold(sale)) == (3, 3)


def test_a_slow_worker_sells_nothing_in_a_sale_that_has_ended(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    join(line, sale, "ann")
    reservation = reserve_and_die(line, sale, upto=1)
    Sale.objects.filter(pk=sale.pk).update(ended_at=timezone.now())

    assert write_orders(reservation) == []

    assert (entries(sale), sold(sale)) == ([], 0)
