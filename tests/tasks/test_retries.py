"""The retry policy: one for all tasks, and bounded. `tests/workers/test_notifications.py` runs a task to its limit."""

from typing import Any

import pytest

from celery_task.celery import app
from celery_task.runtime.retries import RETRIES_MAX, RETRY_POLICY
from seckill import conf

app.loader.import_default_modules()
RETRIED = {
    name: task
    for name, task in sorted(app.tasks.items())
    if name.startswith("celery_task.") and hasattr(task, "autoretry_for")
}


def test_these_tasks_are_retried_by_themselves() -> None:
    assert sorted(name.rsplit(".")[-1] for name in RETRIED) == [
        "cancel_order",
        "export_orders",
        "mail_alert",
        "notify_buyers",
        "remind_buyers",
        "settle_orders",
    ]


@pytest.mark.parametrize("task", RETRIED.values(), ids=RETRIED)
def test_a_retried_task_follows_the_policy(task: Any) -> None:
    assert {option: getattr(task, option) for option in RETRY_POLICY} == RETRY_POLICY
    assert task.max_retries == RETRIES_MAX == 5


def test_a_retry_is_never_held_for_as_long_as_redis_waits_before_it_redelivers() -> None:
    assert RETRY_POLICY["retry_backoff_max"] < conf.VISIBILITY_SECONDS
