"""Beats: one leads, each due run is sent once, and database changes apply without a restart."""

import os
import signal
from datetime import timedelta
from functools import partial
from threading import Event, Thread
from zoneinfo import ZoneInfo

import pytest
from celery.beat import SchedulingError
from django.db import connection, transaction
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from celery_task.beat.schedule import SCHEDULE
from celery_task.beat.scheduler import Scheduler
from celery_task.celery import app
from celery_task.models import Leader
from celery_task.queues import DEFAULT, ORDERS
from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from tests.orders.crowd import await_waiter
from tests.workers.conftest import StartBeat
from tests.workers.messages import tasks
from tests.workers.worker import Process

pytestmark = pytest.mark.django_db(transaction=True)

TICK = "celery_task.order_task.ring_doorbells"


def leader() -> str:
    """Return the host whose beat leads; empty if none does."""
    row = Leader.objects.filter(pk=1).first()
    return row.holder.split(":")[0] if row else ""


def is_leader(name: str) -> bool:
    """Return whether the beat of this host leads."""
    return leader() == name


def runs(name: str) -> int:
    """Return how many runs of a schedule were claimed."""
    row = PeriodicTask.objects.filter(name=name).first()
    return row.total_run_count if row else 0


class Ticks:
    """The runs of ``ring-doorbells`` that beats have sent."""

    def __init__(self) -> None:
        self._sent = 0

    def were_all_sent(self) -> bool:
        """Return whether each claimed run was sent exactly once."""
        self._sent += tasks(ORDERS).count(TICK)
        return self._sent == runs("ring-doorbells")

    def freeze_asleep(self, beat: Process) -> None:
        """Pause a beat between two runs: during a send it cannot know whether the broker got the message."""
        while True:
            wait_until("it sleeps", self.were_all_sent)
            beat.send(signal.SIGSTOP)
            if self.were_all_sent():
                return
            beat.send(signal.SIGCONT)


def await_runs(name: str, more: int) -> None:
    """Return once a schedule has run this many times more."""
    before = runs(name)
    wait_until(f"{more} runs of {name}", lambda: runs(name) >= before + more)


def make_daily(name: str, *, missed: bool) -> None:
    """Create a daily schedule that was due a minute ago; with ``missed`` it has not run since yesterday."""
    now = timezone.now().astimezone(ZoneInfo("Asia/Tokyo"))
    due = now - timedelta(minutes=1)
    at = CrontabSchedule.objects.create(minute=due.minute, hour=due.hour, timezone="Asia/Tokyo")
    PeriodicTask.objects.create(
        name=name,
        task="celery_task.home_task.update_banner_list",
        crontab=at,
        last_run_at=now - timedelta(hours=24 if missed else 0),
    )


def test_the_first_beat_makes_the_schedules_that_are_missing_and_changes_none(start_beat: StartBeat) -> None:
    slow, _ = IntervalSchedule.objects.get_or_create(every=7, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(
        name="update-banner-list", task="celery_task.home_task.update_banner_list", interval=slow, enabled=False
    )

    start_beat()
    wait_until("it leads", lambda: PeriodicTask.objects.filter(name="ring-doorbells", total_run_count__gt=0).exists())

    assert set(PeriodicTask.objects.values_list("name", flat=True)) == set(SCHEDULE)
    kept = PeriodicTask.objects.get(name="update-banner-list")
    assert (kept.interval, kept.enabled, kept.total_run_count) == (slow, False, 0)


def test_of_two_beats_one_sends_and_each_run_is_sent_once(start_beat: StartBeat) -> None:
    first, second = start_beat(name="one"), start_beat(name="two")
    wait_until("one leads", leader)
    await_runs("ring-doorbells", 4)
    for beat in (first, second):
        assert beat.end() == 0

    sent = tasks(ORDERS)
    assert sent.count(TICK) == runs("ring-doorbells")
    assert sent.count("celery_task.order_task.expire_unpaid_orders") == runs("expire-unpaid-orders")


def test_when_the_leader_is_killed_another_one_sends(start_beat: StartBeat) -> None:
    beats = {name: start_beat(name=name) for name in ("one", "two")}
    wait_until("one leads", leader)
    await_runs("ring-doorbells", 1)
    lost, ticks = leader(), Ticks()

    ticks.freeze_asleep(beats[lost])  # killed during a send, it would lose that run
    beats[lost].end(signal.SIGKILL)
    await_runs("ring-doorbells", 1)

    assert {lost, leader()} == {"one", "two"}
    beats[leader()].end()
    assert ticks.were_all_sent()


def test_a_leader_that_is_told_to_stop_hands_over_at_once(start_beat: StartBeat) -> None:
    beats = {name: start_beat(name=name) for name in ("one", "two")}
    wait_until("one leads", leader)
    await_runs("ring-doorbells", 1)
    stopped = leader()

    beats[stopped].end()

    assert leader() != stopped  # no beat has to wait until the lease expires
    wait_until("the other one leads", lambda: leader() not in {"", stopped})


def test_a_leader_that_is_told_to_stop_in_the_middle_of_a_query_ends_it_and_hands_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scheduler = Scheduler(app=app, lazy=True)
    assert scheduler._acquire_or_renew()
    ended, locked = [], Event()

    def stop(*_: object) -> None:  # as Celery does
        scheduler.close()
        raise SystemExit

    def give_up(*_: object) -> None:
        raise TimeoutError

    def ask_for_long() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(1)")
            cursor.execute("SELECT pg_advisory_unlock(1)")
        ended.append("the query")
        return False

    def tell_to_stop() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(1)")
            locked.set()
            await_waiter()
            os.kill(os.getpid(), signal.SIGTERM)
        connection.close()

    monkeypatch.setattr(scheduler, "_acquire_or_renew", ask_for_long)
    handlers = {signal.SIGTERM: stop, signal.SIGALRM: give_up}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    signal.alarm(WAIT_SECONDS_MAX)
    teller = Thread(target=tell_to_stop)
    teller.start()
    assert locked.wait(WAIT_SECONDS_MAX)
    try:
        with pytest.raises(SystemExit):
            scheduler.tick()
    finally:
        signal.alarm(0)
        teller.join()
        for number, handler in before.items():
            signal.signal(number, handler)

    assert (ended, leader()) == (["the query"], "")


def test_a_leader_that_was_frozen_sends_nothing_twice(start_beat: StartBeat) -> None:
    beats = {name: start_beat(name=name) for name in ("one", "two")}
    wait_until("one leads", leader)
    await_runs("ring-doorbells", 1)
    frozen, ticks = leader(), Ticks()

    ticks.freeze_asleep(beats[frozen])
    wait_until("the other one leads", lambda: leader() != frozen)
    await_runs("ring-doorbells", 1)
    beats[frozen].send(signal.SIGCONT)
    beats[frozen].await_log("beat_lead_lost")
    await_runs("ring-doorbells", 3)

    for beat in beats.values():
        beat.end()
    assert ticks.were_all_sent()


def test_a_daily_run_is_made_up_for_once_and_not_by_each_leader(start_beat: StartBeat) -> None:
    make_daily("missed", missed=True)
    make_daily("done", missed=False)
    PeriodicTask.objects.create(
        name="update-banner-list", task="celery_task.home_task.update_banner_list", enabled=False,
        interval=IntervalSchedule.objects.create(every=7, period=IntervalSchedule.SECONDS),
    )  # fmt: skip
    for name in ("one", "two"):
        beat = start_beat(name=name)
        wait_until("it leads", partial(is_leader, name))
        await_runs("ring-doorbells", 2)
        beat.end(signal.SIGKILL)

    assert (runs("missed"), runs("done")) == (1, 0)
    assert tasks(DEFAULT).count("celery_task.home_task.update_banner_list") == 1


def test_a_change_in_the_database_is_followed_without_a_restart(start_beat: StartBeat) -> None:
    start_beat()
    wait_until("it leads", lambda: PeriodicTask.objects.filter(name="reconcile-sales").exists())
    reconcile = PeriodicTask.objects.get(name="reconcile-sales")
    assert reconcile.total_run_count == 0

    reconcile.interval = IntervalSchedule.objects.get(every=1, period=IntervalSchedule.SECONDS)
    reconcile.save()

    await_runs("reconcile-sales", 3)
    reconcile.refresh_from_db()
    reconcile.enabled = False
    reconcile.save()
    wait_until("beat has heard of it", lambda: tasks(ORDERS) is not None)
    await_runs("ring-doorbells", 2)
    before = runs("reconcile-sales")
    await_runs("ring-doorbells", 3)
    assert runs("reconcile-sales") == before


def test_a_schedule_that_never_comes_keeps_the_others_from_nothing(start_beat: StartBeat) -> None:
    never = CrontabSchedule.objects.create(
        minute="0", hour=f"{timezone.now().hour}", day_of_month="30", month_of_year="2"
    )
    PeriodicTask.objects.create(name="never", task="celery_task.home_task.update_banner_list", crontab=never)

    beat = start_beat()

    beat.await_log("schedule_invalid")
    await_runs("ring-doorbells", 2)


def test_a_run_that_could_not_be_sent_is_still_due(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = Scheduler(app=app, lazy=True)
    make_daily("missed", missed=True)
    monkeypatch.setattr(scheduler, "_make_missing", lambda: None)  # one schedule is enough
    before = PeriodicTask.objects.values("last_run_at", "total_run_count").get(name="missed")
    sent: list[str] = []

    def refuse(entry: ModelEntry, **_: object) -> None:
        raise SchedulingError(entry.name)

    monkeypatch.setattr(scheduler, "apply_async", refuse)
    monkeypatch.setattr(Scheduler, "producer", None)
    scheduler.tick()

    assert PeriodicTask.objects.values("last_run_at", "total_run_count").get(name="missed") == before

    def send(entry: ModelEntry, **_: object) -> None:
        sent.append(entry.name)

    monkeypatch.setattr(scheduler, "apply_async", send)
    scheduler.tick()

    assert sent == ["missed"]
    assert runs("missed") == before["total_run_count"] + 1
