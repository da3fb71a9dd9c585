"""Delayed tasks, with any delay.

On RabbitMQ, Celery's delayed delivery holds the message in exchanges until it is due. On Redis, a worker fetches the
message early and holds it, and Redis delivers a held message again after each visibility timeout: a task due in ten
minutes would run twenty times. On Redis a task is therefore relayed: its delay stays below the visibility timeout, and
a task that runs too early schedules itself again, under the same task id, so that it can always be revoked.

Delayed messages can be lost. The due time is also in the ledger, and a sweep resends overdue tasks.
"""

from datetime import datetime, timedelta

from celery import Task
from django.utils import timezone

from celery_task.queues import ON_REDIS
from celery_task.runtime.publishing import PUBLISH_OPTIONS
from seckill import conf

RELAY_SECONDS = conf.VISIBILITY_SECONDS * 2 / 3  # the rest is for waiting in the queue
CLOCK_TOLERANCE_SECONDS = 1  # timers and clocks are not exact


def is_due(moment: datetime) -> bool:
    """Return whether ``moment`` has come, give or take `CLOCK_TOLERANCE_SECONDS`."""
    return moment - timezone.now() <= timedelta(seconds=CLOCK_TOLERANCE_SECONDS)


def apply_at(moment: datetime, task: Task, *args: int, task_id: str) -> None:
    """Schedule a task for ``moment``. On Redis the task may run earlier; it must then call this function again.

    Raises:
        kombu.exceptions.OperationalError, OSError: the broker is unavailable or too slow.
    """
    hop = timezone.now() + timedelta(seconds=RELAY_SECONDS)
    task.apply_async(args, eta=min(moment, hop) if ON_REDIS else moment, task_id=task_id, **PUBLISH_OPTIONS)
