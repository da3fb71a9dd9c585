"""A batch of orders is written by one statement, with every check that the ORM version had."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import chain
from threading import Event as Signal
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from orders.ledger import ATTEMPTS_MAX, write_orders
from orders.models import ACTIVE_STATUSES, Event, Order
from orders.outcomes import outcome_of
from orders.settlement import settle
from orders.stock import SaleChangedError
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.line import Line
from seckill.line.outcome import Confirmed, Outcome
from seckill.timestamps import to_epoch_ms
from tests.conftest import MakeSale
from tests.orders.crowd import entries, join, sold

WAIT_SECONDS = 20
CHANGES: list[dict[str, Any]] = [
    {"price": Decimal("24.90")},
    {"currency": "EUR"},
    {"pay_within_seconds": 61},
]


def reservation_of(sale: Sale, *buyers: str, first: int = 1) -> commands.Reservation:
    """Return a reservation of these buyers, at consecutive places from ``first`` on."""
    return commands.Reservation("a-reservation", sale.pk, 1, list(enumerate(buyers, first)))


def order_of(sale: Sale, buyer: str, place: int, status: str) -> Order:
    """Return an order in the ledger that is not counted as sold yet."""
    now = timezone.now()
    return Order.objects.create(
        sale=sale, buyer=buyer, place=place, price=sale.price, currency=sale.currency, status=status,
        created_at=now, pay_before=now + timedelta(seconds=900),
    )  # fmt: skip


@contextmanager
def before(statement: str, then: Callable[[Any], None]) -> Iterator[list[str]]:
    """Call a function before each statement with this prefix on this thread's connection; return these statements."""
    seen: list[str] = []

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.startswith(statement):
            seen.append(sql)
            then(context["cursor"])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield seen


def nothing(_: object) -> None:
    """Do nothing."""


# --- One batch


@pytest.mark.django_db
def test_an_order_written_by_the_statement_is_what_the_orm_would_have_written(make_sale: MakeSale) -> None:
    sale = make_sale(stock=2, price=Decimal("1234.56"), currency="CHF", pay_within_seconds=77)
    odd = 'o\'hara "%s" \\ 令'

    decided = dict(write_orders(reservation_of(sale, odd, first=2**40)))

    order = Order.objects.get()
    assert (order.buyer, order.place, order.status) == (odd, 2**40, Order.Status.PENDING)
    assert (order.price, order.currency, order.status_changed_at, order.released_at) == (
        Decimal("1234.56"),
        "CHF",
        None,
        None,
    )
    assert order.pay_before - order.created_at == timedelta(seconds=77)
    assert decided == {odd: Confirmed(order.number, to_epoch_ms(order.pay_before))}
    stored = Order.objects.filter(price=order.price, created_at=order.created_at, pay_before=order.pay_before)
    assert stored.get() == order  # the ORM must compare them as equal, too


@pytest.mark.django_db
@pytest.mark.parametrize("count", [500, 501, 2000])
def test_a_batch_is_recorded_in_events_of_five_hundred(make_sale: MakeSale, count: int) -> None:
    sale = make_sale(stock=count)

    with before("INSERT INTO orders_order", nothing) as inserts:
        write_orders(reservation_of(sale, *(f"fan-{number}" for number in range(count))))

    assert len(inserts) == 1
    numbers = [event.numbers for event in Event.objects.order_by("id")]
    assert [len(some) for some in numbers] == [min(500, count - start) for start in range(0, count, 500)]
    assert [*chain.from_iterable(numbers)] == list(Order.objects.order_by("place").values_list("number", flat=True))
    assert (sold(sale), Order.objects.count()) == (count, count)


@pytest.mark.django_db
def test_where_many_wait_more_are_reserved_at_once(make_sale: MakeSale, line: Line, settings: Settings) -> None:
    settings.SETTLE_CHUNK, settings.SETTLE_CHUNK_MAX = 2, 5
    sale = make_sale(stock=60)
    join(line, sale, *(f"fan-{number}" for number in range(60)))

    assert settle(line, sale.pk, 60) == 60

    sizes = [len(event.numbers) for event in Event.objects.order_by("id")]
    # An eighth of the buyers waiting then, at least two and at most five.
    assert sizes == [2, 5, 5, 5, 5, 4, 4, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]


# --- Checks


@pytest.mark.django_db
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_an_order_is_what_its_sale_offers_when_it_is_committed(make_sale: MakeSale, change: dict[str, Any]) -> None:
    sale = make_sale(stock=1)
    changed: list[int] = []

    def change_once(_: object) -> None:
        if not changed:
            changed.append(Sale.objects.filter(pk=sale.pk).update(**change))

    with before('UPDATE "catalog_sale" SET "sold"', change_once) as attempts:
        assert len(write_orders(reservation_of(sale, "ann"))) == 1

    sale.refresh_from_db()
    order = Order.objects.get()
    assert (order.price, order.currency) == (sale.price, sale.currency)
    assert order.pay_before - order.created_at == timedelta(seconds=sale.pay_within_seconds)
    assert (changed, len(attempts), sale.sold, Event.objects.count()) == ([1], 2, 1, 1)


@pytest.mark.django_db
@pytest.mark.parametrize("change", [{"ended_at": timezone.now()}, {"stock": 1}], ids=["ended", "stock"])
def test_nothing_is_written_for_a_sale_that_keeps_changing(make_sale: MakeSale, change: dict[str, Any]) -> None:
    sale = make_sale(stock=2)

    def change_again(_: object) -> None:
        Sale.objects.filter(pk=sale.pk).update(**change)

    with (
        before('UPDATE "catalog_sale" SET "sold"', change_again) as attempts,
        pytest.raises(SaleChangedError, match=f"sale {sale.pk} changed while orders were written"),
    ):
        write_orders(reservation_of(sale, "ann", "ben"))

    assert len(attempts) == ATTEMPTS_MAX == 10
    assert (entries(sale), sold(sale), Event.objects.count()) == ([], 0, 0)


@pytest.mark.django_db
@pytest.mark.parametrize("faster", [9, 10])
def test_somebody_else_may_be_faster_nine_times(make_sale: MakeSale, faster: int) -> None:
    sale = make_sale(stock=2)
    left = [None] * faster

    def be_refused(_: object) -> None:
        if left:
            left.pop()
            raise IntegrityError("somebody was faster")

    with before("INSERT INTO orders_order", be_refused) as attempts:
        if faster < ATTEMPTS_MAX:
            assert len(write_orders(reservation_of(sale, "ann"))) == 1
        else:
            with pytest.raises(IntegrityError, match="somebody was faster"):
                write_orders(reservation_of(sale, "ann"))

    assert len(attempts) == 10
    assert sold(sale) == Order.objects.count() == (1 if faster < ATTEMPTS_MAX else 0)


@pytest.mark.django_db
@pytest.mark.parametrize("units", [0, 1000, 1001], ids=["none left", "all but one", "one each"])
def test_a_full_batch_of_which_half_has_orders_is_completed(make_sale: MakeSale, units: int) -> None:
    sale = make_sale(stock=999 + units)
    fans = [f"fan-{number}" for number in range(2000)]
    write_orders(commands.Reservation("first", sale.pk, 1, [(place, fans[place - 1]) for place in range(2, 2000, 2)]))

    decided = write_orders(reservation_of(sale, *fans))

    assert len(decided) == 999 + units == sold(sale) == Order.objects.count()
    odd = [*range(1, 2000, 2), 2000][:units]
    assert [place for place, _, _ in entries(sale)] == sorted([*range(2, 2000, 2), *odd])
    assert {buyer for buyer, _ in decided} == {buyer for _, buyer, _ in entries(sale)}


# --- Several workers on one sale

two_writers = pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="on SQLite one writes at a time, from the first statement on"
)


class Worker:
    """A worker in a thread that stops before its last statement until it is released."""

    def __init__(self, reservation: commands.Reservation) -> None:
        self._there, self._go = Signal(), Signal()
        self._pool = ThreadPoolExecutor(1)
        self._running: Future[list[tuple[str, Outcome]]] = self._pool.submit(self._write, reservation)
        assert self._there.wait(WAIT_SECONDS)

    def _write(self, reservation: commands.Reservation) -> list[tuple[str, Outcome]]:
        try:
            with before('UPDATE "catalog_sale" SET "sold"', self._stand_still):
                return write_orders(reservation)
        finally:
            connections.close_all()

    def _stand_still(self, _: object) -> None:
        self._there.set()
        assert self._go.wait(WAIT_SECONDS)

    def let_go(self) -> list[str]:
        """Let it finish; return the buyers that have an order."""
        self._go.set()
        decided = self._running.result(WAIT_SECONDS)
        self._pool.shutdown()
        return [buyer for buyer, _ in decided]


@contextmanager
def waiting_for_somebody() -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
    """Return a function that runs a call in a thread and returns once the call waits for another one's lock."""
    with ThreadPoolExecutor(1) as pool:

        def call(wanted: Callable[[], Any]) -> Any:
            try:
                return wanted()
            finally:
                connections.close_all()

        def start(wanted: Callable[[], Any]) -> Future[Any]:
            running = pool.submit(call, wanted)
            while not running.done() and not _somebody_waits():
                pass
            assert not running.done(), running.result()
            return running

        yield start


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


@two_writers
@pytest.mark.django_db(transaction=True)
def test_two_workers_write_orders_of_one_sale_side_by_side(make_sale: MakeSale) -> None:
    sale = make_sale(stock=4)
    slow = Worker(reservation_of(sale, "ann", "ben"))

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 10000")  # else a slow worker in its way would block it for ever
        assert len(write_orders(reservation_of(sale, "cleo", "dan", first=3))) == 2
        cursor.execute("RESET statement_timeout")

    assert entries(sale) == [(3, "cleo", "pending"), (4, "dan", "pending")]
    assert slow.let_go() == ["ann", "ben"]
    assert [place for place, _, _ in entries(sale)] == [1, 2, 3, 4]
    assert sold(sale) == 4


@two_writers
@pytest.mark.django_db(transaction=True)
def test_two_workers_with_one_reservation_write_it_once(make_sale: MakeSale) -> None:
    sale = make_sale(stock=4)
    reservation = reservation_of(sale, "ann", "ben")
    slow = Worker(reservation)

    with waiting_for_somebody() as start:
        heir = start(lambda: write_orders(reservation))
        assert slow.let_go() == ["ann", "ben"]
        decided = dict(heir.result(WAIT_SECONDS))

    numbers = dict(Order.objects.values_list("buyer", "number"))
    assert {buyer: outcome.order for buyer, outcome in decided.items() if isinstance(outcome, Confirmed)} == numbers
    assert (sorted(numbers), sold(sale), Event.objects.count()) == (["ann", "ben"], 2, 1)


@two_writers
@pytest.mark.django_db(transaction=True)
def test_two_workers_do_not_sell_the_last_unit_twice(make_sale: MakeSale) -> None:
    sale = make_sale(stock=3)
    slow = Worker(reservation_of(sale, "ann", "ben"))

    assert len(write_orders(reservation_of(sale, "cleo", "dan", first=3))) == 2

    assert slow.let_go() == ["ann"]
    assert [buyer for _, buyer, _ in entries(sale)] == ["ann", "cleo", "dan"]
    assert (sold(sale), Event.objects.count()) == (3, 2)


@two_writers
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("change", "winners"), [({"stock": 1}, ["ann"]), ({"ended_at": timezone.now()}, []), ({"price": 5}, ["ann", "ben"])]
)
def test_what_the_shop_changes_meanwhile_holds(make_sale: MakeSale, change: dict[str, Any], winners: list[str]) -> None:
    sale = make_sale(stock=2)
    slow = Worker(reservation_of(sale, "ann", "ben"))

    with transaction.atomic():
        Sale.objects.select_for_update().get(pk=sale.pk)
        Sale.objects.filter(pk=sale.pk).update(**change)

    assert slow.let_go() == winners
    sale.refresh_from_db()
    assert [(order.buyer, order.price) for order in Order.objects.order_by("place")] == [
        (buyer, sale.price) for buyer in winners
    ]
    assert sale.sold == len(winners)


# --- Against a simple model

BUYERS = [f"fan-{number}" for number in range(8)]
STATUSES = [status.value for status in Order.Status]


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[tuple[str, int, str]], list[tuple[int, str]], int, bool]:
    """(orders before: buyer, place, status), (places of a reservation), units left, whether the sale has ended."""
    buyers = draw(st.lists(st.sampled_from(BUYERS), unique=True))
    places = draw(st.lists(st.integers(1, 8), unique=True, min_size=len(buyers), max_size=len(buyers)))
    before = [(buyer, place, draw(st.sampled_from(STATUSES))) for buyer, place in zip(buyers, places, strict=True)]
    reserved = draw(st.lists(st.sampled_from(BUYERS), unique=True, min_size=1))
    at = sorted(draw(st.lists(st.integers(1, 10), unique=True, min_size=len(reserved), max_size=len(reserved))))
    return before, list(zip(at, reserved, strict=True)), draw(st.integers(0, 8)), draw(st.booleans())


def expected(
    before: list[tuple[str, int, str]], places: list[tuple[int, str]], units: int, ended: bool
) -> list[tuple[int, str]]:
    """Return (place, buyer) that get an order: the first ones without an order, at free places, while units last."""
    written: list[tuple[int, str]] = []
    for place, buyer in places:
        if ended or len(written) == units:
            break
        if all(buyer != other and place != taken for other, taken, _ in before):
            written.append((place, buyer))
    return written


@pytest.mark.django_db
@given(situations())
@hypothesis_settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_statement_writes_what_a_plain_model_says(
    make_sale: MakeSale, situation: tuple[list[tuple[str, int, str]], list[tuple[int, str]], int, bool]
) -> None:
    before, places, units, ended = situation
    with transaction.atomic():
        sale = make_sale(publish=False, stock=units + sum(status in ACTIVE_STATUSES for _, _, status in before))
        known = {buyer: order_of(sale, buyer, place, status) for buyer, place, status in before}
        active_orders = sum(status in ACTIVE_STATUSES for _, _, status in before)
        Sale.objects.filter(pk=sale.pk).update(sold=active_orders, ended_at=timezone.now() if ended else None)

        decided = dict(write_orders(commands.Reservation("a-reservation", sale.pk, 1, places)))

        written = expected(before, places, units, ended)
        fresh = Order.objects.filter(sale=sale).exclude(pk__in=[order.pk for order in known.values()])
        assert list(fresh.order_by("place").values_list("place", "buyer")) == written
        assert sold(sale) == active_orders + len(written)
        reserved = {buyer for _, buyer in places}
        assert decided == {
            order.buyer: outcome_of(order) for order in Order.objects.filter(sale=sale, buyer__in=reserved)
        }
        numbers = [event.numbers for event in Event.objects.filter(sale=sale)]
        assert numbers == ([list(fresh.order_by("place").values_list("number", flat=True))] if written else [])
        transaction.set_rollback(True)
