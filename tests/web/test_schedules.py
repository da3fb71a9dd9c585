"""Schedules in the API and the admin: permissions, validation, and beat's own counters stay untouched."""

from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from celery_task.beat.editing import schedulable_tasks
from celery_task.beat.schedule import SCHEDULE
from celery_task.celery import app
from seckill.accounts.models import User
from tests.web.responses import problem

pytestmark = pytest.mark.django_db(transaction=True)

BANNERS = "celery_task.home_task.update_banner_list"
SETTLE = "celery_task.order_task.settle_orders"
ALL = ("view", "add", "change", "delete")


def staff(*rights: str, is_staff: bool = True) -> Client:
    """A user with these permissions on schedules."""
    user = User.objects.create_user(f"user-{User.objects.count()}", is_staff=is_staff)
    for right in rights:
        for model in ("periodictask", "intervalschedule", "crontabschedule"):
            user.user_permissions.add(Permission.objects.get(codename=f"{right}_{model}"))
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def ops() -> Client:
    """A user with all permissions on schedules."""
    return staff(*ALL)


def post(browser: Client, **fields: Any) -> Any:
    body = {"name": "mine", "task": BANNERS, "every_seconds": 30} | fields
    return browser.post("/api/schedules/", {k: v for k, v in body.items() if v != "left out"}, "application/json")


def patch(browser: Client, schedule: PeriodicTask, **fields: Any) -> Any:
    return browser.patch(f"/api/schedules/{schedule.pk}/", fields, "application/json")


def errors(answer: Any) -> dict[str, list[str]]:
    """Return field → error message."""
    found: dict[str, list[str]] = problem(answer, 400, "invalid")["errors"]
    return found


def new_schedule(name: str = "mine", **fields: Any) -> PeriodicTask:
    every, _ = IntervalSchedule.objects.get_or_create(every=30, period=IntervalSchedule.SECONDS)
    return PeriodicTask.objects.create(**{"name": name, "task": BANNERS, "interval": every} | fields)


# --- Permissions


def test_who_is_not_logged_in_is_asked_to_and_who_may_not_is_refused() -> None:
    schedule = new_schedule()
    for browser, status, code in (
        (Client(), 401, "not_logged_in"),
        (staff(*ALL, is_staff=False), 403, "forbidden"),
        (staff(), 403, "forbidden"),
    ):
        for method in (browser.get, browser.post):
            problem(method("/api/schedules/"), status, code)
        for method in (browser.get, browser.patch, browser.delete):
            problem(method(f"/api/schedules/{schedule.pk}/"), status, code)
    assert PeriodicTask.objects.get() == schedule


def test_each_right_allows_its_own_method_only() -> None:
    schedule = new_schedule()
    for right, expected in (
        ("view", [200, 403, 403, 403]),
        ("add", [403, 201, 403, 403]),
        ("change", [403, 403, 200, 403]),
        ("delete", [403, 403, 403, 204]),
    ):
        browser = staff(right)
        answers = [
            browser.get("/api/schedules/"),
            post(browser, name=f"made with {right}"),
            patch(browser, schedule, expire_seconds=60),
            browser.delete(f"/api/schedules/{schedule.pk}/"),
        ]
        assert [answer.status_code for answer in answers] == expected


# --- The API


def test_a_schedule_is_made_read_changed_and_deleted(ops: Client) -> None:
    answer = post(ops, task=SETTLE, args=[7], kwargs={"upto": 4821}, expire_seconds=60)
    schedule = PeriodicTask.objects.get()
    expected = {
        "id": schedule.pk, "name": "mine", "task": SETTLE, "args": [7], "kwargs": {"upto": 4821}, "every_seconds": 30.0,
        "crontab": None, "time_zone": None, "enabled": True, "expire_seconds": 60, "last_run_at": None,
        "total_run_count": 0, "comes_with_shop": False,
    }  # fmt: skip
    assert (answer.status_code, answer.json(), answer["Location"]) == (201, expected, f"/api/schedules/{schedule.pk}/")
    assert ops.get("/api/schedules/").json() == [expected]
    before = PeriodicTasks.last_change()

    changed = patch(ops, schedule, crontab="10 4 * * 1-5", time_zone="Asia/Tokyo", enabled=False)

    now = {"every_seconds": None, "crontab": "10 4 * * 1-5", "time_zone": "Asia/Tokyo", "enabled": False}
    assert (changed.status_code, changed.json()) == (200, expected | now)
    assert ops.get(answer["Location"]).json() == expected | now
    assert PeriodicTasks.last_change() > before  # the change counter that beat reads
    assert patch(ops, schedule, time_zone="Europe/Berlin").json() == expected | now | {"time_zone": "Europe/Berlin"}
    assert ops.delete(answer["Location"]).status_code == 204
    problem(ops.get(answer["Location"]), 404, "not_found")
    problem(ops.get(f"/api/schedules/{10**30}/"), 404, "not_found")


def test_times_are_shared_and_never_changed_under_another_schedule(ops: Client) -> None:
    other = new_schedule("other")
    post(ops)
    mine = PeriodicTask.objects.get(name="mine")
    assert mine.interval == other.interval

    patch(ops, mine, every_seconds=5)

    assert [(row.name, row.interval.every) for row in PeriodicTask.objects.order_by("name")] == [
        ("mine", 5),
        ("other", 30),
    ]
    for _ in range(2):
        patch(ops, mine, crontab="0 4 * * *", time_zone="Asia/Tokyo")
    assert CrontabSchedule.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"task": "os.system"}, "task"),
        ({"task": "celery.backend_cleanup"}, "task"),
        ({"task": "tests.workers.odd_tasks.fail"}, "task"),
        ({"args": {"a": 1}}, "args"),
        ({"args": [1]}, "args"),
        ({"task": SETTLE, "args": [1]}, "args"),
        ({"task": SETTLE, "args": [1, 2], "kwargs": {"upto": 3}}, "args"),
        ({"kwargs": [1]}, "kwargs"),
        ({"kwargs": {"x": "y" * 10_000}}, "kwargs"),
        ({"every_seconds": 0}, "every_seconds"),
        ({"every_seconds": 10**12}, "every_seconds"),
        ({"every_seconds": "left out"}, "every_seconds"),
        ({"crontab": "* * * * *"}, "every_seconds"),
        ({"every_seconds": "left out", "time_zone": "Asia/Tokyo"}, "time_zone"),
        ({"every_seconds": "left out", "crontab": "* * * *"}, "crontab"),
        ({"every_seconds": "left out", "crontab": "61 * * * *"}, "crontab"),
        ({"every_seconds": "left out", "crontab": "0 0 * * 0,7"}, "crontab"),
        ({"every_seconds": "left out", "crontab": "0 0 30 2 *"}, "crontab"),
        ({"every_seconds": "left out", "crontab": "* * * * *", "time_zone": "Moon/Sea"}, "time_zone"),
        ({"expire_seconds": 0}, "expire_seconds"),
        ({"name": ""}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"name": "other"}, "name"),
    ],
)
def test_what_beat_could_not_work_with_is_refused(ops: Client, fields: dict[str, Any], wrong: str) -> None:
    new_schedule("other")

    assert list(errors(post(ops, **fields))) == [wrong]

    assert list(PeriodicTask.objects.values_list("name", flat=True)) == ["other"]


def test_a_call_the_task_does_not_take_is_explained(ops: Client) -> None:
    [text] = errors(post(ops, task=SETTLE, args=[1]))["args"]

    assert text == "The arguments do not fit (sale_id: int, upto: int) -> None: missing a required argument: 'upto'."


def test_what_comes_with_the_shop_can_be_changed_and_disabled_but_neither_renamed_nor_deleted(ops: Client) -> None:
    shops = new_schedule("ring-doorbells", task="celery_task.order_task.ring_doorbells")
    assert "ring-doorbells" in SCHEDULE

    problem(ops.delete(f"/api/schedules/{shops.pk}/"), 409, "comes_with_shop")
    assert list(errors(patch(ops, shops, name="other"))) == ["name"]
    answer = patch(ops, shops, name="ring-doorbells", every_seconds=2, enabled=False)

    assert (answer.status_code, answer.json()["comes_with_shop"]) == (200, True)
    shops.refresh_from_db()
    assert (shops.name, shops.interval.every, shops.enabled) == ("ring-doorbells", 2, False)


def test_a_change_leaves_beats_own_counts_alone(ops: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = new_schedule()
    save = PeriodicTask.save

    def save_after_a_run(row: PeriodicTask, *args: Any, **kwargs: Any) -> None:
        PeriodicTask.objects.filter(pk=row.pk).update(total_run_count=F("total_run_count") + 1, last_run_at=Now())
        save(row, *args, **kwargs)

    monkeypatch.setattr(PeriodicTask, "save", save_after_a_run)
    assert patch(ops, schedule, every_seconds=5).status_code == 200
    schedule.refresh_from_db()
    assert (schedule.total_run_count, schedule.interval.every) == (1, 5)
    ran_at = schedule.last_run_at

    answer = ops.post(change_url(schedule), form(schedule, description="often"))
    assert answer.status_code == 302
    schedule.refresh_from_db()
    assert (schedule.total_run_count, schedule.description) == (2, "often")
    assert schedule.last_run_at > ran_at


def test_only_the_shops_tasks_are_offered() -> None:
    assert {BANNERS, SETTLE} <= set(schedulable_tasks())
    assert [name for name in schedulable_tasks() if not name.startswith("celery_task.")] == []
    assert set(schedulable_tasks()) == {name for name in app.tasks if name.startswith("celery_task.")}


# --- The admin


def change_url(schedule: PeriodicTask) -> str:
    return reverse("admin:django_celery_beat_periodictask_change", args=[schedule.pk])


def form(schedule: PeriodicTask, **changes: Any) -> dict[str, Any]:
    """Return the form data a browser sends from the change page."""
    return {
        "name": schedule.name,
        "task": schedule.task,
        "enabled": "on",
        "description": schedule.description,
        "interval": schedule.interval_id or "",
        "crontab": schedule.crontab_id or "",
        "args": schedule.args,
        "kwargs": schedule.kwargs,
        "expire_seconds": schedule.expire_seconds or "",
        **changes,
    }


def test_the_list_says_when_in_words(ops: Client) -> None:
    tokyo = CrontabSchedule.objects.create(minute="10", hour="4", timezone="Asia/Tokyo")
    new_schedule("often")
    new_schedule("daily", interval=None, crontab=tokyo, enabled=False)

    page = ops.get(reverse("admin:django_celery_beat_periodictask_changelist")).content.decode()

    for text in ("every 30 seconds", "At 04:10 AM Asia/Tokyo", ">home_task.update", "Enable selected schedules"):
        assert text in page
    assert "/admin/django_celery_beat/periodictask/" in page  # in the sidebar
    assert "solarschedule" not in page


def test_a_schedule_is_made_and_changed_in_the_admin(ops: Client) -> None:
    every = IntervalSchedule.objects.create(every=5, period=IntervalSchedule.MINUTES)
    add = reverse("admin:django_celery_beat_periodictask_add")
    answer = ops.post(add, form(PeriodicTask(name="mine", task=SETTLE), interval=every.pk, args="[7, 9]", kwargs=""))
    assert answer.status_code == 302
    schedule = PeriodicTask.objects.get()
    assert (schedule.task, schedule.args, schedule.kwargs, schedule.queue) == (SETTLE, "[7, 9]", "{}", None)
    before = PeriodicTasks.last_change()

    assert ops.post(change_url(schedule), form(schedule, enabled="")).status_code == 302

    schedule.refresh_from_db()
    assert not schedule.enabled
    assert PeriodicTasks.last_change() > before


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"args": "[1,"}, "Invalid JSON: "),
        ({"args": "{}"}, "This must be a list."),
        ({"kwargs": "[]"}, "This must be an object."),
        ({"args": "[1]"}, "The arguments do not fit () -&gt; None: too many positional arguments."),
        ({"args": f'["{"y" * 10_000}"]'}, "At most 10000 bytes."),
        ({"task": "os.system"}, "Select a valid choice."),
        ({"interval": ""}, "Set an interval or a crontab."),
    ],
)
def test_the_form_says_what_is_wrong(ops: Client, changes: dict[str, Any], text: str) -> None:
    schedule = new_schedule()

    answer = ops.post(change_url(schedule), form(schedule, **changes))

    assert answer.status_code == 200
    assert text in answer.content.decode()


def test_a_crontab_that_never_comes_is_refused_in_the_admin(ops: Client) -> None:
    url = reverse("admin:django_celery_beat_crontabschedule_add")
    february = {"day_of_month": "30", "month_of_year": "2"}
    fields = {"minute": "0", "hour": "0", "day_of_week": "*", "timezone": "UTC"} | february

    assert "This crontab matches no date." in ops.post(url, fields).content.decode()
    assert ops.post(url, fields | {"month_of_year": "3"}).status_code == 302
    assert CrontabSchedule.objects.get().month_of_year == "3"


def test_the_actions_switch_schedules_and_notify_beat(ops: Client) -> None:
    schedule = new_schedule(last_run_at=timezone.now(), total_run_count=7)
    url = reverse("admin:django_celery_beat_periodictask_changelist")
    for action, enabled in (("disable", False), ("enable", True)):
        before = PeriodicTasks.last_change()
        answer = ops.post(url, {"action": action, "_selected_action": [schedule.pk]}, follow=True)

        assert [str(message) for message in answer.context["messages"]] == [f"1 schedule is {action}d now."]
        schedule.refresh_from_db()
        assert (schedule.enabled, schedule.last_run_at, schedule.total_run_count) == (enabled, None, 7)
        assert PeriodicTasks.last_change() > before
    assert LogEntry.objects.count() == 2


def test_the_admin_neither_deletes_nor_renames_what_comes_with_the_shop(ops: Client) -> None:
    shops = new_schedule("ring-doorbells")
    mine = new_schedule()
    for schedule, status in ((shops, 403), (mine, 302)):
        url = reverse("admin:django_celery_beat_periodictask_delete", args=[schedule.pk])
        assert ops.post(url, {"post": "yes"}).status_code == status
    answer = ops.post(change_url(shops), form(shops, name="other"))
    assert "This schedule is built in; its name can't be changed." in unescape(answer.content.decode())
    url = reverse("admin:django_celery_beat_periodictask_changelist")
    ops.post(url, {"action": "delete_selected", "_selected_action": [shops.pk], "post": "yes"})

    assert list(PeriodicTask.objects.values_list("name", flat=True)) == ["ring-doorbells"]
