"""Reminders: tasks that run far later than the visibility timeout of the broker, and once."""

import json
import re
import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from django.utils import timezone
from pytest_django import Settings

from celery_task.celery import app
from celery_task.notification_task import dispatch_events, remind_buyers
from celery_task.queues import NOTIFICATIONS, ON_REDIS
from celery_task.runtime.delay import CLOCK_TOLERANCE_SECONDS
from devtools.embedded.shop import wait_until
from orders.models import Event, Order
from orders.outbox import REMINDER_OVERDUE_SECONDS
from orders.payment import pay
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import sell
from tests.workers.conftest import StartWorker
from tests.workers.messages import tasks
from tests.workers.webhook_server import Notifier
from tests.workers.worker import Process

pytestmark = pytest.mark.django_db(transaction=True)

NEVER = "1000000"
REMIND_SECONDS = 15  # after the order and before its deadline: almost four times the visibility timeout


@pytest.fixture
def notifier(settings: Settings) -> Iterator[Notifier]:
    with Notifier() as running:
        settings.WEBHOOK_URL, settings.REMIND_SECONDS = running.environment["WEBHOOK_URL"], REMIND_SECONDS
        yield running


def start(start_worker: StartWorker, notifier: Notifier, *, hop_seconds: str = "2", name: str = "worker") -> Process:
    """Start a worker that runs one task at a time, with a visibility timeout of 4 s on Redis."""
    return start_worker(
        "notifications", "--pool", "solo", "--include", "tests.workers.short_visibility", name=name,
        environment=notifier.environment | {"HOP_SECONDS": hop_seconds},
    )  # fmt: skip


def sell_and_tell(
    make_sale: MakeSale, line: Line, worker: Process, *buyers: str, due_seconds: int = REMIND_SECONDS
) -> Event:
    """Sell to the buyers; return the delivered event. Its reminder is due ``due_seconds`` after the orders."""
    sell(line, make_sale(stock=len(buyers), pay_within_seconds=due_seconds + REMIND_SECONDS), *buyers)
    dispatch_events.apply_async()
    wait_until("they are told", lambda: Event.objects.filter(published_at__isnull=False).exists())
    await_quiet(worker)
    event = Event.objects.get()
    assert event.remind_at is not None
    return event


def await_quiet(worker: Process) -> None:
    """Return once the worker is idle."""
    last = dispatch_events.apply_async()
    worker.await_log(f"run {last.id}")


def reminded(notifier: Notifier) -> list[str]:
    """Return the reminders received."""
    return [key for key in notifier.received() if key.startswith("orders.reminder")]


def runs_when_due(worker: Process, event: Event) -> int:
    """Return how often the reminder ran when it was due; earlier runs only send it on."""
    assert event.remind_at is not None
    due = event.remind_at.timestamp() - CLOCK_TOLERANCE_SECONDS
    runs = re.findall(rf"run reminder-{event.pk} at ([0-9.]+)", worker.log())
    return sum(float(at) >= due for at in runs)


def test_a_reminder_longer_than_the_visibility_timeout_runs_once(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier
) -> None:
    worker = start(start_worker, notifier)
    event = sell_and_tell(make_sale, line, worker, "ann", "ben")
    pay(Order.objects.get(buyer="ben"))

    wait_until("she is reminded", lambda: reminded(notifier))
    wait_until("it is written down", lambda: Event.objects.filter(pk=event.pk, remind_at=None).exists())
    await_quiet(worker)

    assert runs_when_due(worker, event) == 1
    assert reminded(notifier) == [f"orders.reminder-{event.pk}"]
    [document] = [json.loads(heard.body) for heard in notifier.heard if heard.key in reminded(notifier)]
    assert [order["buyer"] for order in document["orders"]] == ["ann"]


@pytest.mark.skipif(not ON_REDIS, reason="RabbitMQ holds back what is not due, and needs no hops")
def test_without_its_hops_it_would_run_several_times(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier
) -> None:
    """Negative control: a message held for longer than the visibility timeout is redelivered, repeatedly."""
    worker = start(start_worker, notifier, hop_seconds=NEVER)
    event = sell_and_tell(make_sale, line, worker, "ann")

    wait_until("she is reminded", lambda: reminded(notifier))
    wait_until("and again", lambda: runs_when_due(worker, event) > 1)


def test_a_reminder_survives_the_worker_that_holds_it(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier
) -> None:
    first = start(start_worker, notifier, name="first")
    event = sell_and_tell(make_sale, line, first, "ann")
    if ON_REDIS:
        first.await_log(f"run reminder-{event.pk}")  # it has sent the message on, and fetches it
        wait_until("it holds it", held)
    first.end(signal.SIGKILL)
    if not ON_REDIS:
        assert remind_buyers.name not in tasks(NOTIFICATIONS)  # RabbitMQ delays it: no worker had it

    second = start(start_worker, notifier, name="second")
    wait_until("she is reminded", lambda: reminded(notifier))
    await_quiet(second)

    # Killed between sending it on and acknowledging it, the task runs twice; the second run sends nothing.
    assert reminded(notifier) == [f"orders.reminder-{event.pk}"]


def held() -> int:
    """Return how many messages workers on Redis hold."""
    with redis.Redis.from_url(app.conf.broker_url) as client:
        return int(client.hlen("unacked"))


def test_once_everybody_has_paid_the_reminder_is_revoked(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier
) -> None:
    worker = start(start_worker, notifier)
    # RabbitMQ discards it when it is due, Redis at the next hop, when it must not be due yet.
    event = sell_and_tell(make_sale, line, worker, "ann", due_seconds=900 if ON_REDIS else 30)

    pay(Order.objects.get())
    dispatch_events.apply_async()

    worker.await_log(f"Discarding revoked task: celery_task.notification_task.remind_buyers[reminder-{event.pk}]")
    assert (runs_when_due(worker, event), reminded(notifier)) == (0, [])
    event.refresh_from_db()
    assert event.remind_at is None


def test_a_reminder_that_got_lost_is_found_by_the_sweep(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, notifier: Notifier
) -> None:
    sell(line, make_sale(stock=1, pay_within_seconds=2 * REMIND_SECONDS), "ann")
    now = timezone.now()
    Event.objects.update(
        notified_at=now, published_at=now, remind_at=now - timedelta(seconds=REMINDER_OVERDUE_SECONDS + 1)
    )
    event = Event.objects.get()
    start(start_worker, notifier)

    dispatch_events.apply_async()
    wait_until("she is reminded", lambda: reminded(notifier))

    wait_until("it is written down", lambda: Event.objects.filter(pk=event.pk, remind_at=None).exists())
    assert notifier.received() == [f"orders.reminder-{event.pk}"]
