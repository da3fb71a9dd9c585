"""Notifications: real workers notify buyers first, then publish to other programs, despite faults on the way."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from celery_task import notification_task as notice_task
from celery_task.notification_task import dispatch_events, notify_buyers, publish_events, remind_buyers
from celery_task.order_task import cancel_order, ring
from celery_task.queues import NOTIFICATIONS, PRIORITY_HIGH, PRIORITY_LOW
from devtools.waiting import wait_until
from orders import outbox
from orders.models import Event, Order
from orders.payment import pay
from seckill.catalog.models import Sale
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import entries, join, sell
from tests.workers.conftest import StartBeat, StartWorker
from tests.workers.listener import Listener
from tests.workers.messages import take, tasks
from tests.workers.webhook_server import SECRET, Notifier
from tests.workers.worker import Process

pytestmark = pytest.mark.django_db(transaction=True)

TRIES = 6  # one, and five more


@pytest.fixture
def notifier() -> Iterator[Notifier]:
    with Notifier() as running:
        yield running


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as running:
        yield running


def start(start_worker: StartWorker, notifier: Notifier | None = None, *, queues: str = "notifications") -> Process:
    """Start a worker that runs one task at a time."""
    one_by_one = ("--pool", "solo", "--concurrency", "1")  # else it prefetches a message per core
    return start_worker(queues, *one_by_one, environment=notifier.environment if notifier else {})


def await_notified(number: int = 1) -> None:
    """Return once ``number`` events were delivered."""
    told = Event.objects.filter(published_at__isnull=False)
    wait_until(f"{number} events are told", lambda: told.count() == number)


def test_a_settlement_notifies_its_buyers_and_then_other_programs(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier, listener: Listener
) -> None:
    sale = make_sale(stock=2)
    join(line, sale, "ann", "ben", "cleo")
    start(start_worker, notifier, queues="orders,notifications")

    ring(sale.pk, 3)
    wait_until("it is settled", Event.objects.exists)
    dispatch_events.apply_async()

    await_notified()
    event = Event.objects.get()
    document = outbox.payload_of(event)
    assert [order["buyer"] for order in document["orders"]] == ["ann", "ben"]
    [heard] = notifier.heard
    assert (heard.path, json.loads(heard.body)) == ("/orders", document)
    assert heard.headers["Content-Type"] == "application/json"
    assert heard.key == f"orders.confirmed-{event.pk}"
    assert heard.headers["X-Signature"] == "sha256=" + hmac.digest(SECRET.encode(), heard.body, hashlib.sha256).hex()
    wait_until("it is published", listener.listen)
    assert listener.heard == [document]
    assert event.notified_at is not None
    assert event.published_at is not None
    assert event.notified_at < event.published_at


def test_a_notification_that_is_not_taken_is_tried_again_and_a_redirect_is_not_followed(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier, listener: Listener
) -> None:
    notifier.answers.extend([503, 307, 429])
    worker = start(start_worker, notifier)
    sell(line, make_sale(stock=1), "ann")

    dispatch_events.apply_async()
    await_notified()

    event = Event.objects.get()
    assert notifier.received() == [f"orders.confirmed-{event.pk}"] * 4
    assert {heard.path for heard in notifier.heard} == {"/orders"}
    assert len({heard.body for heard in notifier.heard}) == 1
    assert worker.log().count("task_retried") == 3
    wait_until("it is published", listener.listen)
    assert [document["id"] for document in listener.heard] == [event.pk]
    assert event.notified_at is not None
    assert event.published_at is not None
    assert event.notified_at < event.published_at  # not before the last try


def test_an_event_whose_buyers_cannot_be_notified_is_published_all_the_same(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier, listener: Listener
) -> None:
    notifier.answer_always = 500
    worker = start(start_worker, notifier)
    sell(line, make_sale(stock=1), "ann")

    dispatch_events.apply_async()
    await_notified()

    assert len(notifier.heard) == TRIES
    wait_until("it is published", listener.listen)
    assert [document["event"] for document in listener.heard] == ["orders.confirmed"]
    assert Event.objects.get().notified_at is None  # which the ledger says
    worker.await_log("task_failed")
    assert worker.log().count("task_failed") == 1


def test_a_chain_that_comes_three_times_notifies_once(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier, listener: Listener
) -> None:
    sell(line, make_sale(stock=1), "ann")
    [event] = outbox.lease_pending()
    for _ in range(3):
        notice_task._dispatch(event)
    for _ in range(2):
        publish_events.delay([event.pk])
    start(start_worker, notifier)
    await_notified()
    pay(Order.objects.get())
    dispatch_events.apply_async()
    await_notified(2)

    paid = Event.objects.get(kind=Event.Kind.PAID)
    assert notifier.received() == [f"orders.confirmed-{event.pk}", f"orders.paid-{paid.pk}"]
    wait_until("both are published", lambda: listener.listen() >= 2)
    assert [document["id"] for document in listener.heard] == [event.pk, paid.pk]


def test_a_chain_that_got_lost_is_sent_again_after_the_lease(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier
) -> None:
    start(start_worker, notifier)
    sale = make_sale(stock=2)
    sell(line, sale, "ann")
    [lost] = outbox.lease_pending()  # and it was not delivered again
    sell(line, sale, "ben")
    [under_way] = outbox.lease_pending()
    Event.objects.filter(pk=lost.pk).update(locked_at=timezone.now() - timedelta(seconds=outbox.LEASE_SECONDS + 1))

    dispatch_events.apply_async()
    await_notified()

    assert notifier.received() == [f"orders.confirmed-{lost.pk}"]
    assert Event.objects.get(pk=under_way.pk).notified_at is None


def test_an_event_without_a_message_is_dispatched_by_beat(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, start_beat: StartBeat, notifier: Notifier
) -> None:
    order = sell(line, make_sale(stock=1), "ann")["ann"]
    start(start_worker, notifier)
    start_beat()
    await_notified()

    pay(order)  # in a request, which never waits for the broker
    await_notified(2)

    assert [key.split("-")[0] for key in notifier.received()] == ["orders.confirmed", "orders.paid"]


def test_without_anybody_to_notify_events_are_published(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier, listener: Listener
) -> None:
    sell(line, make_sale(stock=1), "ann")
    start(start_worker)

    dispatch_events.apply_async()
    await_notified()

    assert notifier.heard == []
    assert Event.objects.get().notified_at is None
    wait_until("it is published", listener.listen)


@pytest.mark.parametrize(("buyers", "compression"), [(20, None), (500, "application/x-gzip")])
def test_events_are_json_that_is_kept_and_large_ones_are_compressed(
    make_sale: MakeSale, line: Line, listener: Listener, buyers: int, compression: str | None
) -> None:
    sell(line, make_sale(stock=buyers), *(f"fan-{number}" for number in range(buyers)))

    publish_events.run([Event.objects.get().pk])

    wait_until("it is published", listener.listen)
    [message], [document] = listener.messages, listener.heard
    assert len(document["orders"]) == buyers
    assert (message.content_type, message.headers.get("compression")) == ("application/json", compression)
    assert message.properties["delivery_mode"] == 2
    assert message.delivery_info["routing_key"] == "orders.confirmed"


def test_what_is_wrong_with_an_event_s_id_harms_nobody() -> None:
    for task in (notify_buyers, remind_buyers):
        task.run(4_711)  # purged long ago
    publish_events.run([4_711])

    assert take(NOTIFICATIONS) == []


# --- Batch size and order


def test_no_more_are_sent_on_their_way_than_may_be_notified_until_the_next_tick(
    make_sale: MakeSale, line: Line, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LEASE_BATCH_MAX", 2)
    settings.WEBHOOK_URL, settings.REMIND_SECONDS = "https://notices.example", 0
    sale = make_sale(stock=3)
    for buyer in ("ann", "ben", "cleo"):
        sell(line, sale, buyer)

    dispatch_events.run()
    assert tasks(NOTIFICATIONS) == ["celery_task.notification_task.notify_buyers"] * 2
    dispatch_events.run()

    assert tasks(NOTIFICATIONS) == ["celery_task.notification_task.notify_buyers"]


def test_no_event_is_dispatched_while_enough_notifications_are_queued(
    make_sale: MakeSale, line: Line, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LEASE_BATCH_MAX", 2)
    settings.WEBHOOK_URL = "https://notices.example"
    sell(line, make_sale(stock=1), "ann")
    for _ in range(2):
        notify_buyers.delay(4_711)

    dispatch_events.run()

    assert Event.objects.get().locked_at is None
    assert tasks(NOTIFICATIONS) == ["celery_task.notification_task.notify_buyers"] * 2


def test_all_that_need_only_be_published_are_sent_on_their_way_together(
    make_sale: MakeSale, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LEASE_BATCH_MAX", 2)
    sale = make_sale(stock=3)
    for buyer in ("ann", "ben", "cleo"):
        sell(line, sale, buyer)

    dispatch_events.run()

    assert tasks(NOTIFICATIONS) == ["celery_task.notification_task.publish_events"] * 2


def test_what_was_published_before_it_broke_is_not_published_again(
    make_sale: MakeSale, line: Line, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = make_sale(stock=2)
    sell(line, sale, "ann")
    sell(line, sale, "ben")
    of_ann, of_ben = Event.objects.order_by("id")
    document_of = outbox.payload_of

    def only_of_ann(event: Event) -> outbox.EventPayload:
        if event == of_ben:
            raise OperationalError
        return document_of(event)

    monkeypatch.setattr(outbox, "payload_of", only_of_ann)
    with pytest.raises(OperationalError):
        publish_events.run([of_ann.pk, of_ben.pk])
    monkeypatch.undo()
    publish_events.run([of_ann.pk, of_ben.pk])

    wait_until("both are published", lambda: listener.listen() >= 2)
    assert [document["id"] for document in listener.heard] == [of_ann.pk, of_ben.pk]


def test_notifications_come_before_reminders() -> None:
    remind_buyers.delay(1)
    dispatch_events.delay()

    assert tasks(NOTIFICATIONS) == [
        "celery_task.notification_task.dispatch_events",
        "celery_task.notification_task.remind_buyers",
    ]
    assert (remind_buyers.priority, dispatch_events.priority) == (PRIORITY_LOW, PRIORITY_HIGH)


def test_a_chain_is_delivered_to_its_end_before_anybody_is_reminded(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier, settings: Settings
) -> None:
    settings.WEBHOOK_URL, settings.REMIND_SECONDS = "https://notices.example", 60
    sale = make_sale(stock=2)
    sell(line, sale, "ann")
    sell(line, sale, "ben")
    of_ann, of_ben = Event.objects.order_by("id")
    Event.objects.filter(pk=of_ben.pk).update(locked_at=timezone.now(), remind_at=timezone.now())
    notifier.may_answer.clear()
    start(start_worker, notifier)
    notify_chain = notify_buyers.si(of_ann.pk) | publish_events.si([of_ann.pk])
    notify_chain.apply_async()
    wait_until("it is telling", lambda: notifier.heard)

    remind_buyers.delay(of_ben.pk)  # waits in the queue; the chain's second task comes after it
    notifier.may_answer.set()
    wait_until("ben was reminded", lambda: len(notifier.heard) == 2)

    of_ann.refresh_from_db()
    assert notifier.received() == [f"orders.confirmed-{of_ann.pk}", f"orders.reminder-{of_ben.pk}"]
    assert of_ann.published_at is not None
    assert of_ann.published_at < notifier.heard[1].at


# --- Requests of other programs


def cancelled(sale: Sale) -> list[str]:
    """Return the buyers whose orders were cancelled."""
    return [buyer for _, buyer, status in entries(sale) if status == "cancelled"]


def test_an_order_cancelled_by_another_program_is_delivered_as_an_event(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    orders = sell(line, sale, "ann", "ben")
    pay(orders["ben"])

    for order in orders.values():
        cancel_order.run(order.number)

    assert cancelled(sale) == ["ann"]  # ben's order is decided
    assert [(event.kind, event.numbers) for event in outbox.lease_pending()[2:]] == [
        ("cancelled", [orders["ann"].number])
    ]


@pytest.mark.parametrize("number", ["7K2Q-M9XD-4TPA", "\0" * 14, "", 4_711, None], ids=repr)
def test_a_number_that_is_none_is_logged_and_cancels_nothing(
    make_sale: MakeSale, line: Line, caplog: pytest.LogCaptureFixture, number: str
) -> None:
    sale = make_sale(stock=1)
    sell(line, sale, "ann")

    cancel_order.run(number)

    assert "order_not_found" in caplog.text
    assert (cancelled(sale), take(NOTIFICATIONS)) == ([], [])
