"""Options for sending messages, which limit the wait for the broker."""

from typing import Any

from celery_task.celery import app

# A pooled connection may have been closed by the broker, so a failed send is retried once.
PUBLISH_OPTIONS: dict[str, Any] = {
    "retry": True,
    "retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0},
    "timeout": app.conf.broker_connection_timeout,
    "confirm_timeout": app.conf.broker_connection_timeout,
}
