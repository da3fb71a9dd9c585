"""Prometheus metrics of tasks.

Each worker serves its own metrics at ``SECKILL_METRICS_PORT``, if that is set (`celery_task.runtime.metrics_server`).
"""

import time
from typing import Any

from celery.signals import before_task_publish
from prometheus_client import Counter, Histogram

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

TASKS_TOTAL = Counter("seckill_tasks", "Finished tasks by outcome", ["task", "outcome"])
TASK_DURATION = Histogram("seckill_task_seconds", "Run time of tasks", ["task"], buckets=BUCKETS)
ALERTS_TOTAL = Counter("seckill_alerts", "Alerts raised", ["kind"])
TASK_QUEUE_TIME = Histogram("seckill_task_wait_seconds", "Time from send to start of tasks", ["task"], buckets=BUCKETS)


@before_task_publish.connect
def add_sent_at(headers: dict[str, Any], **_: object) -> None:
    """Add the time of sending to a message's headers, to measure how long the task waits in its queue."""
    headers["sent_at"] = time.time()
