"""Publishing: how long anybody waits for the broker."""

from typing import Any

from celery_task.celery import app

# Publishing may meet a connection that the broker has closed long ago: a second try finds out. Then it gives up.
PUBLISH_OPTIONS: dict[str, Any] = {
    "retry": True,
    "retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0},
    "timeout": app.conf.broker_connection_timeout,
    "confirm_timeout": app.conf.broker_connection_timeout,
}
