"""Events: leased by one worker at a time, delivered in full, and deleted later."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from orders import outbox
from orders.models import Event, Order
from orders.payment import cancel, pay
from seckill.line.line import Line
from seckill.timestamps import format_iso8601, to_epoch_ms
from tests.conftest import MakeSale
from tests.orders.crowd import ONE_WRITER, at_once, sell
from tests.orders.outbox import let_time_pass, meanwhile

pytestmark = pytest.mark.django_db


@pytest.fixture
def _somebody_to_tell(settings: Settings) -> None:
    settings.WEBHOOK_URL = "https://notices.example/orders"
    settings.REMIND_SECONDS = 120


@pytest.mark.django_db(transaction=True)
def test_an_event_is_reserved_by_one_at_a_time(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=30)
    for order in sell(line, sale, *(f"fan-{number}" for number in range(30))).values():
        pay(order)

    claimed = at_once([outbox.lease_pending] * 6)

    told = [event.pk for some in claimed for event in some]
    assert sorted(told) == list(Event.objects.order_by("pk").values_list("pk", flat=True))
    assert len(told) == 31
    assert {event.locked_at for some in claimed for event in some} == {None}
    assert outbox.lease_pending() == []


@ONE_WRITER
@pytest.mark.django_db(transaction=True)
def test_what_somebody_is_claiming_in_this_moment_is_passed_over(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    sell(line, sale, "ann")

    with transaction.atomic():  # of the lease, which is not committed yet
        [first] = outbox.lease_pending()
        meanwhile(partial(sell, line, sale, "ben"))
        [second] = meanwhile(outbox.lease_pending)

    assert [first.numbers, second.numbers] == [
        [Order.objects.get(buyer="ann").number],
        [Order.objects.get(buyer="ben").number],
    ]


def test_who_reserved_an_event_and_fell_silent_is_replaced_after_the_lease(make_sale: MakeSale, line: Line) -> None:
    sell(line, make_sale(stock=1), "ann")
    [event] = outbox.lease_pending()
    lease = timedelta(seconds=outbox.LEASE_SECONDS)

    Event.objects.update(locked_at=timezone.now() - lease + timedelta(seconds=5))
    assert outbox.lease_pending() == []
    Event.objects.update(locked_at=timezone.now() - lease - timedelta(seconds=1))
    [again] = outbox.lease_pending()

    assert again == event
    assert again.locked_at is not None
    Event.objects.update(locked_at=timezone.now() - lease - timedelta(seconds=1))
    assert outbox.renew_leases([event.pk]) == [event]  # it is being delivered after all
    assert outbox.lease_pending() == []
    assert outbox.renew_leases([event.pk + 1]) == []


def test_what_was_published_is_told_whether_or_not_anybody_was_notified(make_sale: MakeSale, line: Line) -> None:
    sell(line, make_sale(stock=1), "ann")
    event = Event.objects.get()

    outbox.mark_notified(event)
    assert len(outbox.lease_pending()) == 1
    Event.objects.update(locked_at=None, notified_at=None)
    outbox.mark_published([event])

    assert outbox.lease_pending() == []
    assert Event.objects.get().notified_at is None


def test_a_great_many_events_are_reserved_in_portions_oldest_first(
    make_sale: MakeSale, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LEASE_BATCH_MAX", 2)
    sale = make_sale(stock=2)
    orders = sell(line, sale, "ann", "ben")
    pay(orders["ben"])
    pay(orders["ann"])

    assert [[event.kind for event in outbox.lease_pending()] for _ in range(3)] == [["confirmed", "paid"], ["paid"], []]


def test_the_document_of_an_event_says_what_the_orders_became_then(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    orders = sell(line, sale, "ann", "ben")
    pay(orders["ben"])
    confirmed, paid = Event.objects.order_by("id")

    assert outbox.payload_of(confirmed) == {
        "id": confirmed.pk,
        "event": "orders.confirmed",
        "sale": sale.pk,
        "at": format_iso8601(to_epoch_ms(confirmed.occurred_at)),
        "orders": [
            {
                "number": orders[buyer].number,
                "buyer": buyer,
                "place": place,
                "price": "19.90",
                "currency": "USD",
                "status": "pending",
                "pay_before": format_iso8601(to_epoch_ms(orders[buyer].pay_before)),
            }
            for place, buyer in ((1, "ann"), (2, "ben"))
        ],
    }
    assert [(order["buyer"], order["status"]) for order in outbox.payload_of(paid)["orders"]] == [("ben", "paid")]


@pytest.mark.usefixtures("_somebody_to_tell")
@pytest.mark.parametrize(("pay_within_seconds", "reminded_after"), [(900, 780), (240, 120), (239, None)])
def test_buyers_with_time_enough_are_to_be_reminded(
    make_sale: MakeSale, line: Line, pay_within_seconds: int, reminded_after: int | None
) -> None:
    order = sell(line, make_sale(stock=1, pay_within_seconds=pay_within_seconds), "ann")["ann"]

    remind_at = Event.objects.get().remind_at

    after = None if remind_at is None else (remind_at - order.created_at).total_seconds()
    assert after == reminded_after


@pytest.mark.parametrize(("url", "seconds"), [("", 120), ("https://notices.example/orders", 0)])
def test_nobody_is_reminded_where_nobody_would_tell_them(
    make_sale: MakeSale, line: Line, settings: Settings, url: str, seconds: int
) -> None:
    settings.WEBHOOK_URL, settings.REMIND_SECONDS = url, seconds
    pay(sell(line, make_sale(stock=1), "ann")["ann"])

    assert list(Event.objects.order_by("id").values_list("kind", "remind_at")) == [("confirmed", None), ("paid", None)]


@pytest.mark.usefixtures("_somebody_to_tell")
def test_a_reminder_goes_to_those_who_can_still_pay(make_sale: MakeSale, line: Line) -> None:
    orders = sell(line, make_sale(stock=4), "ann", "ben", "cleo", "dan")
    event = Event.objects.get()
    pay(orders["ann"])
    cancel(orders["ben"])
    let_time_pass(orders["dan"])

    document = outbox.reminder_payload_of(event)

    assert document is not None
    assert (document["id"], document["event"]) == (event.pk, "orders.reminder")
    assert [(order["buyer"], order["status"]) for order in document["orders"]] == [("cleo", "pending")]
    pay(orders["cleo"])
    assert outbox.reminder_payload_of(event) is None


@pytest.mark.usefixtures("_somebody_to_tell")
def test_a_due_reminder_is_leased_once(make_sale: MakeSale, line: Line) -> None:
    sell(line, make_sale(stock=1), "ann")
    event = Event.objects.get()
    assert outbox.lease_due_reminders() == []

    Event.objects.update(remind_at=timezone.now() - timedelta(seconds=1))
    assert outbox.lease_due_reminders() == [event]
    assert outbox.lease_due_reminders() == []
    Event.objects.update(locked_at=None)
    outbox.mark_reminded(event)

    assert outbox.lease_due_reminders() == []


@pytest.mark.usefixtures("_somebody_to_tell")
def test_reminders_are_called_off_once_nobody_in_the_sale_has_to_pay(make_sale: MakeSale, line: Line) -> None:
    sale, other = make_sale(stock=2), make_sale(stock=1)
    ann = sell(line, sale, "ann")["ann"]
    ben = sell(line, sale, "ben")["ben"]
    sell(line, other, "cleo")
    _, _, of_cleo = Event.objects.order_by("id").values_list("pk", flat=True)

    pay(ann)
    assert outbox.cancel_reminders(sale.pk) == 0
    cancel(ben)
    assert outbox.cancel_reminders(sale.pk) == 2

    assert outbox.cancel_reminders(sale.pk) == 0
    assert [event.pk for event in Event.objects.filter(remind_at__isnull=False)] == [of_cleo]


def test_events_are_forgotten_a_week_after_they_were_told(
    make_sale: MakeSale, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PURGE_BATCH", 2)
    orders = sell(line, make_sale(stock=6), "ann", "ben", "cleo", "dan", "eve", "finn")
    for order in orders.values():
        pay(order)
    now = timezone.now()
    Event.objects.update(published_at=now, occurred_at=now - timedelta(days=7, seconds=1))
    confirmed, first, second, *_ = Event.objects.order_by("id")
    Event.objects.filter(pk=confirmed.pk).update(remind_at=now)
    Event.objects.filter(pk=first.pk).update(published_at=None)
    Event.objects.filter(pk=second.pk).update(occurred_at=now - timedelta(days=6, hours=23))

    assert outbox.delete_old_events() == 4
    assert outbox.delete_old_events() == 0

    assert list(Event.objects.order_by("id")) == [confirmed, first, second]
    assert Order.objects.count() == 6
