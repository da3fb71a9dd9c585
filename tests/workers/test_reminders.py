"""Reminders: one sweep over the due times in the outbox sends each reminder once, whatever happens to its message."""

import json
import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from celery_task.notification_task import dispatch_events, remind_buyers
from celery_task.queues import NOTIFICATIONS
from devtools.waiting import wait_until
from orders.models import Event, Order
from orders.outbox import LEASE_SECONDS
from orders.payment import pay
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import sell
from tests.workers.conftest import StartWorker
from tests.workers.messages import take, tasks
from tests.workers.webhook_server import Notifier
from tests.workers.worker import Process

pytestmark = pytest.mark.django_db(transaction=True)

REMIND_SECONDS = 15  # before the payment deadline


@pytest.fixture
def notifier(settings: Settings) -> Iterator[Notifier]:
    with Notifier() as running:
        settings.WEBHOOK_URL, settings.REMIND_SECONDS = running.environment["SECKILL_WEBHOOK_URL"], REMIND_SECONDS
        yield running


def start(start_worker: StartWorker, notifier: Notifier, *, name: str = "worker") -> Process:
    """Start a worker that runs one task at a time."""
    return start_worker("notifications", "--pool", "solo", name=name, environment=notifier.environment)


def sell_and_deliver(make_sale: MakeSale, line: Line, *buyers: str) -> Event:
    """Sell to the buyers; return the event, marked as delivered. Its reminder is not due yet."""
    sell(line, make_sale(stock=len(buyers), pay_within_seconds=900), *buyers)
    Event.objects.update(notified_at=timezone.now(), published_at=timezone.now())
    event = Event.objects.get()
    assert event.remind_at is not None
    return event


def make_due(event: Event) -> None:
    """Move the reminder's due time into the past."""
    Event.objects.filter(pk=event.pk).update(remind_at=timezone.now() - timedelta(seconds=1))


def is_done(event: Event) -> bool:
    """Return whether no reminder is due any more."""
    return Event.objects.filter(pk=event.pk, remind_at=None).exists()


def test_a_due_reminder_is_sent_once_to_the_buyers_who_have_not_paid(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier
) -> None:
    start(start_worker, notifier)
    event = sell_and_deliver(make_sale, line, "ann", "ben")
    pay(Order.objects.get(buyer="ben"))
    Event.objects.exclude(pk=event.pk).delete()  # only the reminder is left to deliver
    make_due(event)

    for _ in range(3):
        dispatch_events.apply_async()
    wait_until("it is written down", lambda: is_done(event))
    remind_buyers.run(event.pk)  # a repeated message

    assert notifier.received() == [f"orders.reminder-{event.pk}"]
    [order] = json.loads(notifier.heard[0].body)["orders"]
    assert order["buyer"] == "ann"


def test_a_reminder_is_not_sent_before_it_is_due(make_sale: MakeSale, line: Line, notifier: Notifier) -> None:
    event = sell_and_deliver(make_sale, line, "ann")

    dispatch_events.run()
    assert take(NOTIFICATIONS) == []
    make_due(event)
    dispatch_events.run()

    assert tasks(NOTIFICATIONS) == [remind_buyers.name]
    assert notifier.heard == []


def test_a_lost_reminder_is_sent_again_after_its_lease(make_sale: MakeSale, line: Line, notifier: Notifier) -> None:
    event = sell_and_deliver(make_sale, line, "ann")
    make_due(event)
    dispatch_events.run()
    assert tasks(NOTIFICATIONS) == [remind_buyers.name]  # taken away: the message is lost

    dispatch_events.run()
    assert take(NOTIFICATIONS) == []
    Event.objects.update(locked_at=timezone.now() - timedelta(seconds=LEASE_SECONDS + 1))
    dispatch_events.run()

    assert tasks(NOTIFICATIONS) == [remind_buyers.name]
    assert notifier.heard == []


def test_a_reminder_survives_the_worker_that_was_sending_it(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier
) -> None:
    first = start(start_worker, notifier, name="first")
    event = sell_and_deliver(make_sale, line, "ann")
    make_due(event)
    notifier.may_answer.clear()
    dispatch_events.apply_async()
    wait_until("it is being sent", lambda: notifier.heard)
    first.end(signal.SIGKILL)
    notifier.may_answer.set()

    Event.objects.update(locked_at=timezone.now() - timedelta(seconds=LEASE_SECONDS + 1))
    start(start_worker, notifier, name="second")
    dispatch_events.apply_async()
    wait_until("it is written down", lambda: is_done(event))

    # At least once: nobody knows whether the first one arrived. The key lets the receiver discard the second.
    assert set(notifier.received()) == {f"orders.reminder-{event.pk}"}


def test_when_every_buyer_has_paid_nobody_is_reminded(make_sale: MakeSale, line: Line, notifier: Notifier) -> None:
    event = sell_and_deliver(make_sale, line, "ann")
    pay(Order.objects.get())

    dispatch_events.run()  # delivers the payment, and cancels the sale's reminders
    assert is_done(event)
    take(NOTIFICATIONS)
    remind_buyers.run(event.pk)

    assert notifier.heard == []
