"""Events: written in the transaction of what happened to orders."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from orders import expiry
from orders.expiry import expire_overdue_orders
from orders.ledger import write_orders
from orders.models import Event, Order
from orders.payment import OrderDecidedError, cancel, pay
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import ONE_WRITER, at_once, join, reserve_and_die, sell
from tests.orders.outbox import let_time_pass, meanwhile

pytestmark = pytest.mark.django_db


def happened(sale: Sale) -> list[tuple[str, list[str]]]:
    """Return (kind, buyers) of the events of a sale, in order."""
    buyers = dict(Order.objects.values_list("number", "buyer"))
    return [
        (event.kind, [buyers[number] for number in event.numbers])
        for event in Event.objects.filter(sale=sale).order_by("id")
    ]


def test_a_batch_that_was_settled_is_one_event(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    sell(line, sale, "ann", "ben", "cleo", "dan")

    assert happened(sale) == [("confirmed", ["ann", "ben", "cleo"])]


def test_paying_cancelling_and_expiring_is_an_event_each(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=4)
    orders = sell(line, sale, "ann", "ben", "cleo", "dan")
    for _ in range(2):  # repeats, which change nothing
        pay(orders["ann"])
        cancel(orders["ben"])
    let_time_pass(orders["cleo"], orders["dan"])
    for _ in range(2):
        expire_overdue_orders()

    assert happened(sale) == [
        ("confirmed", ["ann", "ben", "cleo", "dan"]),
        ("paid", ["ann"]),
        ("cancelled", ["ben"]),
        ("expired", ["cleo", "dan"]),
    ]


def test_what_did_not_happen_is_no_event(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    orders = sell(line, sale, "ann", "ben")
    pay(orders["ann"])
    cancel(orders["ben"])
    with pytest.raises(OrderDecidedError):
        cancel(orders["ann"])
    with pytest.raises(OrderDecidedError):
        pay(orders["ben"])
    reservation = commands.Reservation("again", sale.pk, 1, [(1, "ann"), (2, "ben")])
    write_orders(reservation)  # the worker died before it could confirm, and another one took over
    expire_overdue_orders()

    assert happened(sale) == [("confirmed", ["ann", "ben"]), ("paid", ["ann"]), ("cancelled", ["ben"])]


def test_many_that_expire_at_once_are_several_events(
    make_sale: MakeSale, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "EXPIRE_CHUNK", 2)
    sale = make_sale(stock=5)
    let_time_pass(*sell(line, sale, "ann", "ben", "cleo", "dan", "eve").values())

    assert expire_overdue_orders() == 5

    assert happened(sale)[1:] == [("expired", ["ann", "ben"]), ("expired", ["cleo", "dan"]), ("expired", ["eve"])]
    assert Sale.objects.get(pk=sale.pk).sold == 0


def fail_to_record(execute, sql, params, many, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 (Django's wrapper)
    """Make the database reject events."""
    if sql.startswith('INSERT INTO "orders_event"'):
        raise IntegrityError("no event today")
    return execute(sql, params, many, context)


@pytest.mark.django_db(transaction=True)
def test_without_its_event_nothing_happens(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=4)
    orders = sell(line, sale, "ann", "ben", "cleo")
    let_time_pass(orders["cleo"])
    join(line, sale, "dan")
    reservation = reserve_and_die(line, sale, upto=4)
    before = (list(Order.objects.order_by("place").values()), Sale.objects.values().get())
    changes: list[Callable[[], object]] = [
        partial(write_orders, reservation),
        partial(pay, orders["ann"]),
        partial(cancel, orders["ben"]),
        expire_overdue_orders,
    ]

    for change in changes:
        with connection.execute_wrapper(fail_to_record), pytest.raises(IntegrityError, match="no event today"):
            change()

    assert (list(Order.objects.order_by("place").values()), Sale.objects.values().get()) == before
    for change in changes:
        change()
    assert [kind for kind, _ in happened(sale)] == ["confirmed", "confirmed", "paid", "cancelled", "expired"]


@pytest.mark.django_db(transaction=True)
def test_orders_that_were_not_written_are_no_event(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    join(line, sale, "ann")
    reservation = reserve_and_die(line, sale, upto=1)

    with transaction.atomic():
        assert len(write_orders(reservation)) == 1
        transaction.set_rollback(True)  # the worker's host fails before the commit

    assert (Order.objects.count(), Event.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_of_pay_cancel_and_expire_each_event_names_the_orders_that_moved(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=400)
    orders = list(sell(line, sale, *(f"fan-{number}" for number in range(1, 401))).values())
    begin = timezone.now()
    for index, order in enumerate(orders):  # the deadlines pass while all threads run
        order.pay_before = begin + timedelta(milliseconds=300 + 4 * index)
    Order.objects.bulk_update(orders, ["pay_before"])

    def each(change: Callable[[Order], Order], some: list[Order]) -> None:
        for order in some:
            try:
                change(order)
            except OrderDecidedError:
                continue

    def sweep() -> None:
        while timezone.now() <= begin + timedelta(seconds=2):
            expire_overdue_orders()
        expire_overdue_orders()

    calls: list[Callable[[], None]] = [partial(each, pay, orders), partial(each, cancel, orders[::-1]), sweep, sweep]
    at_once(calls)

    moved: dict[str, set[str]] = {kind: set() for kind in Event.Kind.values}
    told = 0
    for event in Event.objects.all():
        told += len(event.numbers)
        moved[event.kind] |= set(event.numbers)
    assert told == 800  # each order twice: confirmed, and one more
    for kind in ("paid", "cancelled", "expired"):
        assert set(Order.objects.filter(status=kind).values_list("number", flat=True)) == moved[kind]


@ONE_WRITER
@pytest.mark.django_db(transaction=True)
def test_an_order_somebody_is_paying_keeps_nobody_from_expiring(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    orders = sell(line, sale, "ann", "ben")
    let_time_pass(orders["ann"], orders["ben"])

    with transaction.atomic():  # a payment that began in time, on a slow or failed host
        Order.objects.filter(buyer="ann").update(status="paid")
        assert meanwhile(expire_overdue_orders) == 1

    assert expire_overdue_orders() == 0
    assert happened(sale)[1:] == [("expired", ["ben"])]


@ONE_WRITER
@pytest.mark.django_db(transaction=True)
def test_who_pays_does_not_wait_for_who_settles(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    orders = sell(line, sale, "ann", "ben")

    with transaction.atomic():
        Sale.objects.select_for_update().get(pk=sale.pk)  # as settling, cancelling and expiring do
        meanwhile(partial(pay, orders["ann"]))

    assert happened(sale)[1:] == [("paid", ["ann"])]
