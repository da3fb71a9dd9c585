"""Many workers at once on a real ledger with real threads: nothing is sold twice and no buyer is passed over."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from threading import Event
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from devtools.waiting import WAIT_SECONDS_MAX
from orders import expiry
from orders.audit import run_audit
from orders.expiry import expire_overdue_orders, release_units
from orders.models import Audit, Order
from orders.payment import OrderDecidedError, cancel, pay
from orders.reconciliation import rebuild_line, reconcile
from orders.settlement import settle
from seckill.catalog.models import Sale
from seckill.line.keys import sale_keys
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import (
    ONE_WRITER,
    at_once,
    await_waiter,
    entries,
    in_line,
    join,
    sell,
    settle_all,
    snapshot_of,
    sold,
)

pytestmark = pytest.mark.django_db(transaction=True)

CROWD = [f"fan-{number}" for number in range(1, 201)]
FIRST_57 = [(place, f"fan-{place}", "pending") for place in range(1, 58)]


def wins(change: Callable[[Order], Order], order: Order) -> bool:
    """Return whether this change decided the order."""
    try:
        change(order)
    except OrderDecidedError:
        return False
    return True


def begin_in_the_last_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make all orders overdue, with a payment clock just before the deadline: the first change to arrive decides."""
    deadline = timezone.now()
    Order.objects.update(pay_before=deadline)
    monkeypatch.setattr("orders.payment.timezone", SimpleNamespace(now=lambda: deadline - timedelta(milliseconds=1)))


@pytest.mark.parametrize("chunk", [500, 7], ids=["one chunk", "chunks of seven"])
def test_eight_workers_settle_one_sale(make_sale: MakeSale, line: Line, settings: Settings, chunk: int) -> None:
    settings.SETTLE_CHUNK = chunk
    sale = make_sale(stock=57)
    join(line, sale, *CROWD)

    settled = at_once([partial(settle, line, sale.pk, 200)] * 8)

    assert sum(settled) == 57
    assert entries(sale) == FIRST_57
    seen = snapshot_of(line, sale)
    assert (sold(sale), seen.stock, seen.pointer, seen.waiting, seen.reserved_units, seen.epoch) == (
        57,
        0,
        57,
        143,
        0,
        1,
    )
    assert run_audit(line, sale.pk, by=Audit.By.BEAT).result == "agrees"


def test_eight_workers_who_all_take_each_other_for_dead(make_sale: MakeSale, line: Line, settings: Settings) -> None:
    settings.SETTLE_CHUNK = 7
    settings.RESERVATION_LEASE_SECONDS = -1  # every reservation may be taken over at once
    sale = make_sale(stock=57)
    join(line, sale, *CROWD)

    at_once([partial(settle, line, sale.pk, 200)] * 8)
    settle_all(line, sale)  # a unit counted twice for a moment was returned, so the sweeper would ring

    assert entries(sale) == FIRST_57
    seen = snapshot_of(line, sale)
    assert (sold(sale), seen.stock, seen.pointer, seen.reserved_units, seen.epoch) == (57, 0, 57, 0, 1)
    assert run_audit(line, sale.pk, by=Audit.By.BEAT).result == "agrees"


def test_buyers_who_join_while_workers_settle_get_their_orders_by_place(
    make_sale: MakeSale, line: Line, settings: Settings
) -> None:
    settings.SETTLE_CHUNK = 5
    sale = make_sale(stock=57)

    def arrive(first: int) -> int:
        for number in range(first, 201, 4):
            join(line, sale, f"fan-{number}")
        return 0

    def work() -> int:
        settled = 0
        while snapshot_of(line, sale).places_issued < 200:
            settled += settle_all(line, sale)
        return settled + settle_all(line, sale)

    arrivals: list[Callable[[], int]] = [partial(arrive, first) for first in (1, 2, 3, 4)]
    settled = at_once([*arrivals, work, work, work])

    assert sum(settled) == 57
    assert [(place, buyer) for place, buyer, _ in entries(sale)] == list(enumerate(in_line(line, sale)[:57], start=1))
    assert (sold(sale), snapshot_of(line, sale).stock, snapshot_of(line, sale).reserved_units) == (57, 0, 0)


def rebuilt(caplog: pytest.LogCaptureFixture) -> list[int]:
    """Return the epochs of all lines that were built."""
    events = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [event["epoch"] for event in events if event["event"] == "line_rebuilt"]


def test_a_line_found_wrong_by_many_is_rebuilt_once(
    make_sale: MakeSale, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    sale = make_sale(stock=5)
    sell(line, sale, "ann", "ben")
    caplog.clear()

    at_once([partial(rebuild_line, line, sale.pk, broken_epoch=1)] * 6)

    assert [snapshot_of(line, sale).epoch] == [Sale.objects.get(pk=sale.pk).epoch] == rebuilt(caplog)
    assert (snapshot_of(line, sale).stock, in_line(line, sale)) == (3, ["ann", "ben"])


def test_a_line_found_lost_by_many_is_rebuilt_once(
    make_sale: MakeSale, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    sale = make_sale(stock=5)
    sell(line, sale, "ann", "ben")
    caplog.clear()
    line.client.flushall()

    at_once([partial(rebuild_line, line, sale.pk, broken_epoch=None)] * 6)

    assert [snapshot_of(line, sale).epoch] == [Sale.objects.get(pk=sale.pk).epoch] == rebuilt(caplog)
    assert line.client.hlen(sale_keys(sale.pk).outcomes) == 2


def test_a_thousand_times_of_pay_and_expire_one_wins(
    make_sale: MakeSale, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = make_sale(stock=1000)
    orders = list(sell(line, sale, *(f"fan-{number}" for number in range(1, 1001))).values())
    begin_in_the_last_moment(monkeypatch)
    monkeypatch.setattr(expiry, "EXPIRE_CHUNK", 5)

    def buyer(own: list[Order]) -> list[Order]:
        return [order for order in own if wins(pay, order)]

    expired: list[int] = []

    def sweeper() -> list[Order]:
        expired.append(expire_overdue_orders())
        return []

    # The last in line pays first and the first five expire first, so the two meet in the middle.
    last = orders.pop()
    assert wins(pay, last)
    assert expiry._expire(sale.pk) == 5
    expired.append(5)
    orders.reverse()
    buyers: list[Callable[[], list[Order]]] = [partial(buyer, orders[first::4]) for first in range(4)]
    results = at_once([*buyers, sweeper, sweeper])
    expired.append(expire_overdue_orders())  # orders both sweepers skipped while a late payment held them

    paid = {last.number, *(order.number for won in results for order in won)}
    assert set(Order.objects.filter(status=Order.Status.PAID).values_list("number", flat=True)) == paid
    assert Order.objects.filter(status=Order.Status.EXPIRED).count() == sum(expired) == 1000 - len(paid)
    assert sold(sale) == len(paid)


@ONE_WRITER
def test_a_payment_that_comes_while_its_order_is_being_ended_waits_and_loses(
    make_sale: MakeSale, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = make_sale(stock=1)
    order = sell(line, sale, "ann")["ann"]
    begin_in_the_last_moment(monkeypatch)
    locked = Event()

    def hold_before_the_end(execute, sql, params, many, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 (Django's wrapper)
        if sql.startswith('UPDATE "orders_order"'):
            locked.set()
            await_waiter()
        return execute(sql, params, many, context)

    def sweeper() -> bool:
        with connection.execute_wrapper(hold_before_the_end):
            return expire_overdue_orders() == 1

    def buyer() -> bool:
        assert locked.wait(WAIT_SECONDS_MAX)
        return wins(pay, order)

    assert at_once([sweeper, buyer]) == [True, False]

    assert (entries(sale), sold(sale)) == ([(1, "ann", "expired")], 0)


def test_a_hundred_times_of_pay_and_cancel_one_wins(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=100)
    orders = list(sell(line, sale, *CROWD[:100]).values())

    def each(change: Callable[[Order], Order]) -> set[str]:
        return {order.number for order in orders if wins(change, Order.objects.get(pk=order.pk))}

    paid, cancelled = at_once([partial(each, pay), partial(each, cancel)])

    assert paid | cancelled == {order.number for order in orders}
    assert paid & cancelled == set()
    assert set(Order.objects.filter(status=Order.Status.PAID).values_list("number", flat=True)) == paid
    assert sold(sale) == len(paid)


def test_units_released_by_many_at_once_go_back_once(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=30)
    for order in sell(line, sale, *CROWD[:30]).values():
        cancel(order)

    at_once([partial(release_units, line)] * 6)

    assert (snapshot_of(line, sale).stock, sold(sale)) == (30, 0)
    assert Order.objects.filter(released_at__isnull=True).count() == 0


def test_a_busy_evening_ends_with_books_that_agree(make_sale: MakeSale, line: Line, settings: Settings) -> None:
    """Settle, pay, cancel, release and reconcile concurrently: afterwards every unit is accounted for."""
    settings.SETTLE_CHUNK = 5
    sale = make_sale(stock=23)
    join(line, sale, *CROWD[:120])

    def work() -> None:
        for _ in range(12):
            settle_all(line, sale)

    def buyers() -> None:
        for _ in range(12):
            for order in Order.objects.filter(status=Order.Status.PENDING):
                wins(cancel if order.place % 3 else pay, order)

    def beat() -> None:
        for _ in range(12):
            release_units(line)
            reconcile(line, sale.pk, by=Audit.By.BEAT)

    at_once([work, work, buyers, buyers, beat, beat])
    release_units(line)
    while settle_all(line, sale):
        pass

    active_orders = Order.objects.filter(status__in=(Order.Status.PENDING, Order.Status.PAID)).count()
    assert (sold(sale), active_orders) == (23, 23)
    assert (snapshot_of(line, sale).stock, snapshot_of(line, sale).reserved_units) == (0, 0)
    assert run_audit(line, sale.pk, by=Audit.By.BEAT).result == "agrees"
    places = [place for place, _, _ in entries(sale)]
    assert places == list(range(1, len(places) + 1))  # first come, first served: no buyer was passed over
    assert [(place, buyer) for place, buyer, _ in entries(sale)] == list(enumerate(CROWD, start=1))[: len(places)]
