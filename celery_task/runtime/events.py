"""Worker events for Flower, sent without blocking on the broker.

A worker sends its events from the main process. By default each heartbeat blocks until the broker is back, without a
limit. Blocked workers did not notice that they had lost their queues. After the outage they enforced the time limits of
tasks that had long ended, and killed children that were receiving their next task.
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
