"""Expiry: unpaid orders expire, and each unit returns to the next in line exactly once."""

import pytest
from django.utils import timezone

from orders import expiry
from orders.audit import run_audit
from orders.expiry import expire_overdue_orders, release_units
from orders.ledger import write_orders
from orders.models import Audit, Order
from orders.payment import cancel, pay
from orders.reconciliation import rebuild_line
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.keys import sale_keys
from seckill.line.line import Line
from seckill.line.outcome import Confirmed, Released
from tests.conftest import MakeSale
from tests.orders.crowd import entries, join, reserve_and_die, sell, settle_all, snapshot_of, sold

pytestmark = pytest.mark.django_db


def let_time_pass(sale: Sale, *buyers: str) -> None:
    """Make these buyers' orders overdue."""
    Order.objects.filter(sale=sale, buyer__in=buyers).update(pay_before=timezone.now())


def test_unpaid_orders_expire_and_the_next_in_line_get_the_units_in_order(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    orders = sell(line, sale, "ann", "ben", "cleo", "dan", "eve", "finn")
    pay(orders["ben"])
    let_time_pass(sale, "ann", "ben", "cleo")

    assert expire_overdue_orders() == 2
    assert (sold(sale), snapshot_of(line, sale).stock) == (1, 0)
    assert release_units(line) == [sale.pk]
    assert snapshot_of(line, sale).stock == 2
    assert settle_all(line, sale) == 2

    assert entries(sale) == [
        (1, "ann", "expired"),
        (2, "ben", "paid"),
        (3, "cleo", "expired"),
        (4, "dan", "pending"),
        (5, "eve", "pending"),
    ]
    assert (sold(sale), snapshot_of(line, sale).stock, snapshot_of(line, sale).waiting) == (3, 0, 1)
    assert line.outcome(sale.pk, "ann") == Released("expired")
    assert isinstance(line.outcome(sale.pk, "eve"), Confirmed)
    assert line.outcome(sale.pk, "finn") is None


def test_nobody_expires_before_the_time_is_over(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    sell(line, sale, "ann", "ben")
    let_time_pass(sale, "ann")

    assert expire_overdue_orders() == 1
    assert expire_overdue_orders() == 0

    assert entries(sale) == [(1, "ann", "expired"), (2, "ben", "pending")]
    assert sold(sale) == 1


def test_expiry_counts_each_sale_for_itself(make_sale: MakeSale, line: Line) -> None:
    kettles, lamps = make_sale(stock=2), make_sale(stock=3)
    sell(line, kettles, "ann", "ben")
    sell(line, lamps, "ann", "cleo", "dan")
    let_time_pass(kettles, "ann")
    let_time_pass(lamps, "ann", "dan")

    assert expire_overdue_orders() == 3
    assert sorted(release_units(line)) == [kettles.pk, lamps.pk]

    assert (sold(kettles), sold(lamps)) == (1, 1)
    assert (snapshot_of(line, kettles).stock, snapshot_of(line, lamps).stock) == (1, 2)


def test_a_unit_goes_back_once_and_is_ticked_off(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    order = cancel(sell(line, sale, "ann", "ben")["ann"])
    before = timezone.now()

    assert release_units(line) == [sale.pk]
    assert release_units(line) == []

    order.refresh_from_db()
    assert order.released_at is not None
    assert before <= order.released_at <= timezone.now()
    assert (snapshot_of(line, sale).stock, sold(sale)) == (1, 1)
    assert line.outcome(sale.pk, "ann") == Released("cancelled")


def test_a_process_that_died_between_line_and_ledger_gives_nothing_back_twice(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    orders = sell(line, sale, "ann", "ben", "cleo")
    cancel(orders["ann"])
    let_time_pass(sale, "ben")
    expire_overdue_orders()
    line.run(commands.release(sale.pk, [("ann", Released("cancelled")), ("ben", Released("expired"))]))
    assert snapshot_of(line, sale).stock == 2  # the process dies here: in the ledger the units are still to be released
    assert Order.objects.filter(released_at__isnull=False).count() == 0

    assert release_units(line) == [sale.pk]

    assert (snapshot_of(line, sale).stock, sold(sale)) == (2, 1)
    assert set(Order.objects.filter(released_at__isnull=False).values_list("buyer", flat=True)) == {"ann", "ben"}
    assert run_audit(line, sale.pk, by=Audit.By.BEAT).result == "agrees"


def test_a_process_that_dies_before_the_line_answers_loses_no_unit(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    cancel(sell(line, sale, "ann", "ben")["ann"])
    assert (snapshot_of(line, sale).stock, sold(sale)) == (0, 0)  # it died before it reached the line

    assert release_units(line) == [sale.pk]
    assert settle_all(line, sale) == 1

    assert entries(sale) == [(1, "ann", "cancelled"), (2, "ben", "pending")]


def test_units_of_a_sale_that_is_not_loaded_wait_for_the_rebuilt_line(make_sale: MakeSale, line: Line) -> None:
    forgotten, known = make_sale(stock=2), make_sale(stock=2)
    cancel(sell(line, forgotten, "ann", "ben")["ann"])
    cancel(sell(line, known, "ann", "ben")["ben"])
    line.invalidate(forgotten.pk)

    assert release_units(line) == [known.pk]  # a failing sale does not stop the others
    assert Order.objects.get(sale=forgotten, buyer="ann").released_at is None
    rebuild_line(line, forgotten.pk, broken_epoch=None)
    assert snapshot_of(line, forgotten).stock == 1  # the ledger's counter includes the unit already
    assert release_units(line) == []

    assert (snapshot_of(line, forgotten).stock, snapshot_of(line, known).stock) == (1, 1)
    assert Order.objects.filter(status=Order.Status.CANCELLED, released_at__isnull=True).count() == 0


def test_an_order_cancelled_while_its_reservation_is_open_gives_its_unit_back_once(
    make_sale: MakeSale, line: Line
) -> None:
    sale = make_sale(stock=1)
    join(line, sale, "ann", "ben")
    reservation = reserve_and_die(line, sale, upto=1)
    decided = write_orders(reservation)
    cancel(Order.objects.get(buyer="ann"))
    release_units(line)
    assert snapshot_of(line, sale).stock == 0  # the reservation still holds the unit

    line.run(commands.confirm(reservation, decided))

    assert (snapshot_of(line, sale).stock, sold(sale)) == (1, 0)
    assert line.outcome(sale.pk, "ann") == Released("cancelled")
    assert settle_all(line, sale) == 1
    assert entries(sale) == [(1, "ann", "cancelled"), (2, "ben", "pending")]


def test_a_great_many_units_go_back_in_portions_by_place(
    make_sale: MakeSale, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "RELEASE_CHUNK", 2)
    sale = make_sale(stock=3)
    sell(line, sale, "ann", "ben", "cleo")
    let_time_pass(sale, "ann", "ben", "cleo")
    expire_overdue_orders()

    assert release_units(line) == [sale.pk]
    assert (snapshot_of(line, sale).stock, line.outcome(sale.pk, "ben")) == (2, Released("expired"))
    assert isinstance(line.outcome(sale.pk, "cleo"), Confirmed)
    assert release_units(line) == [sale.pk]
    assert release_units(line) == []

    assert snapshot_of(line, sale).stock == 3


def test_a_buyer_whose_order_expired_gets_no_second_one(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    sell(line, sale, "ann")
    let_time_pass(sale, "ann")
    expire_overdue_orders()
    release_units(line)

    assert join(line, sale, "ann", "ben") == [1, 2]
    assert settle_all(line, sale) == 1

    assert entries(sale) == [(1, "ann", "expired"), (2, "ben", "pending")]
    assert line.client.hlen(sale_keys(sale.pk).outcomes) == 2
