"""Worker events: what workers tell Flower about themselves, without waiting for the broker.

A worker sends them from its main process. Celery has each heartbeat wait until the broker is back, for however long.
Meanwhile the worker did not notice that it had lost its queues. Afterwards it enforced the time limits of tasks that
had long ended, and so killed a child that was receiving its next task.
"""

from typing import Any

from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher

from celery_task.runtime.publishing import PUBLISH_OPTIONS


class BoundedRetryDispatcher(EventDispatcher):
    """Tries twice to send an event; the event is kept for later if that fails."""

    def publish(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (Celery types none of it)
        """Send an event."""
        return super().publish(*args, **{**options, "retry_policy": PUBLISH_OPTIONS["retry_policy"]})


class WorkerEvents(Events):
    """``app.events``."""

    dispatcher_cls = "celery_task.runtime.events:ImpatientDispatcher"
