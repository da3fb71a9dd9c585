"""Worker events for Flower, sent without waiting long for the broker.

A worker sends its events from the main process. By default each heartbeat blocks until the broker is back, without a
limit. A blocked worker does not notice that it has lost its queues. After the outage it enforces the time limits of
tasks that have long ended, and kills children that are receiving their next task. Here each event is tried twice.
"""

from typing import Any

from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher

from celery_task.runtime.publishing import PUBLISH_OPTIONS


class BoundedRetryDispatcher(EventDispatcher):
    """Event dispatcher that tries twice to send an event. An event that fails is buffered."""

    def publish(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (Celery types none of it)
        """Send an event, with the retry limit of `PUBLISH_OPTIONS`."""
        return super().publish(*args, **{**options, "retry_policy": PUBLISH_OPTIONS["retry_policy"]})


class WorkerEvents(Events):
    """``app.events`` with the bounded dispatcher."""

    dispatcher_cls = "celery_task.runtime.events:BoundedRetryDispatcher"
