"""Schedules created and changed by API and in the admin while a beat runs; no restart needed."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from celery_task.queues import EXPORTS
from devtools.waiting import wait_until
from seckill.accounts.models import User
from tests.workers.conftest import StartBeat
from tests.workers.messages import tasks
from tests.workers.test_schedules import await_runs, leader, runs

pytestmark = pytest.mark.django_db(transaction=True)

FORGET = "celery_task.export_task.purge_exports"


@pytest.fixture
def boss() -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("boss"))
    return browser


@pytest.fixture
def _beat(start_beat: StartBeat) -> None:
    """A beat that leads and has sent a task."""
    start_beat()
    wait_until("it leads", leader)
    await_runs("ring-doorbells", 1)


def make(boss: Client, name: str, **times: object) -> PeriodicTask:
    answer = boss.post("/api/schedules/", {"name": name, "task": FORGET, **times}, "application/json")
    assert answer.status_code == 201, answer.content
    return PeriodicTask.objects.get(name=name)


@pytest.mark.usefixtures("_beat")
def test_a_schedule_made_by_api_runs_and_one_that_is_deleted_runs_no_more(boss: Client) -> None:
    mine = make(boss, "mine", every_seconds=1)

    await_runs("mine", 3)
    assert boss.delete(f"/api/schedules/{mine.pk}/").status_code == 204
    await_runs("ring-doorbells", 6)  # beat checks for changes at least once in five seconds
    tasks(EXPORTS)
    await_runs("ring-doorbells", 3)
    assert tasks(EXPORTS) == []


@pytest.mark.usefixtures("_beat")
def test_a_crontab_is_due_by_the_clocks_of_its_time_zone(boss: Client) -> None:
    a_minute_ago = timezone.now().astimezone(ZoneInfo("Asia/Tokyo")) - timedelta(minutes=1)
    at = f"{a_minute_ago.minute} {a_minute_ago.hour} * * *"
    make(boss, "Tokyo", crontab=at, time_zone="Asia/Tokyo")
    make(boss, "London", crontab=at, time_zone="Europe/London")
    PeriodicTask.objects.filter(name__in=("Tokyo", "London")).update(last_run_at=timezone.now() - timedelta(hours=1))
    PeriodicTasks.update_changed()

    await_runs("Tokyo", 1)
    await_runs("ring-doorbells", 3)

    assert (runs("Tokyo"), runs("London")) == (1, 0)
    assert tasks(EXPORTS) == [FORGET]


@pytest.mark.usefixtures("_beat")
def test_a_schedule_changed_in_the_admin_is_followed(boss: Client) -> None:
    mine = make(boss, "mine", every_seconds=3600)
    second, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.SECONDS)
    await_runs("ring-doorbells", 6)
    assert runs("mine") == 0
    url = reverse("admin:django_celery_beat_periodictask_change", args=[mine.pk])
    form = {"name": "mine", "task": FORGET, "enabled": "on", "interval": second.pk, "args": "[]", "kwargs": "{}"}

    assert boss.post(url, form).status_code == 302
    await_runs("mine", 2)

    actions = reverse("admin:django_celery_beat_periodictask_changelist")
    boss.post(actions, {"action": "disable", "_selected_action": [mine.pk]})
    await_runs("ring-doorbells", 6)
    before = runs("mine")
    await_runs("ring-doorbells", 3)
    assert runs("mine") == before
