"""For workers of tests (``--include tests.workers.short_visibility``): a visibility timeout of 4 s on Redis.

``HOP_SECONDS`` limits how long a worker holds a delayed task. Each run of a task is printed: ``run ID at SECONDS``.
"""

import os
import sys
import time
from typing import Any

from celery.signals import task_prerun

from celery_task.celery import app
from celery_task.queues import ON_REDIS
from celery_task.runtime import delay

if ON_REDIS:
    app.conf.broker_transport_options["visibility_timeout"] = 4
delay.RELAY_SECONDS = float(os.environ["HOP_SECONDS"])


@task_prerun.connect
def print_run(task_id: str, **_: Any) -> None:
    """Print which task runs, and when (seconds since 1970)."""
    print(f"run {task_id} at {time.time()}", file=sys.stderr, flush=True)
