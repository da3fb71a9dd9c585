"""Tasks that end in every possible way, for workers of the tests (``--include tests.workers.odd_tasks``)."""

import os
import signal
import time
from contextlib import suppress

from celery import Task, shared_task
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded


@shared_task
def succeed() -> int:
    return os.getpid()


@shared_task
def fail() -> None:
    raise ValueError("odd")


@shared_task(bind=True, max_retries=2)
def retry(self: Task) -> None:
    raise self.retry(countdown=0)


@shared_task
def ignore() -> None:
    raise Ignore


@shared_task
def reject() -> None:
    raise Reject


@shared_task(bind=True)
def die_once(self: Task) -> None:
    if not self.request.delivery_info["redelivered"]:
        os.kill(os.getpid(), signal.SIGKILL)


@shared_task(soft_time_limit=1, time_limit=2)
def overrun() -> None:
    with suppress(SoftTimeLimitExceeded):
        time.sleep(60)
    time.sleep(60)
