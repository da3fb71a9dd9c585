"""Delay: a task that runs at a later time, however late that is.

RabbitMQ keeps such a message itself: Celery sends it through exchanges that hold it back, and only when it is due does
it reach the queue. Redis has nothing like it. There a worker fetches the message and holds it, and whatever is held for
longer than the visibility timeout is taken for lost and delivered again, and again: a task due in ten minutes would run
twenty times. So on Redis it hops: it is sent for a moment that no worker has to hold it too long for, and when it runs
and is not due yet, it sends itself on, under the same id, by which it can be revoked all the way.

Either way a message may get lost. What has to happen when stands in the ledger, and a sweep looks there.
"""

from datetime import datetime, timedelta

from celery import Task
from django.utils import timezone

from celery_task.config import VISIBILITY_SECONDS
from celery_task.queues import ON_REDIS
from celery_task.runtime.publishing import PUBLISH_OPTIONS

RELAY_SECONDS = VISIBILITY_SECONDS * 2 / 3  # the rest is for what it may have to wait for in the queue
CLOCK_TOLERANCE_SECONDS = 1  # timers and clocks are not exact: what is due within a second is due


def is_due(moment: datetime) -> bool:
    """Whether what should happen then should happen now."""
    return moment - timezone.now() <= timedelta(seconds=CLOCK_TOLERANCE_SECONDS)


def apply_at(moment: datetime, task: Task, *args: int, task_id: str) -> None:
    """Have a task run at that moment; on Redis it may run earlier, finds that it is not due, and calls this again.

    Raises kombu.exceptions.OperationalError or OSError when the broker is away or does not answer in time.
    """
    hop = timezone.now() + timedelta(seconds=RELAY_SECONDS)
    task.apply_async(args, eta=min(moment, hop) if ON_REDIS else moment, task_id=task_id, **PUBLISH_OPTIONS)
