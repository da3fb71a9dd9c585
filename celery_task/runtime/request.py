"""Task request in a worker's main process, the only place that learns when a task's process was killed."""

from typing import Any

import structlog
from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request

from celery_task.runtime.metrics import TASKS_TOTAL

log = structlog.get_logger("celery_task")

#: Outcomes that a killed task can't report itself. A lost task is delivered again; one that timed out is not.
LOST_OUTCOMES = {WorkerLostError: "lost", TimeLimitExceeded: "timeout"}


class ShopRequest(Request):
    """Request that logs and counts tasks whose process was killed."""

    def on_failure(self, exc_info: ExceptionInfo, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (Celery's own)
        """Handle a task that raised or whose process was killed; log and count only the latter."""
        super().on_failure(exc_info, *args, **kwargs)
        wrapped = exc_info.exception  # wrapped with its traceback as text
        if outcome := LOST_OUTCOMES.get(type(wrapped.exc if isinstance(wrapped, ExceptionWithTraceback) else wrapped)):
            TASKS_TOTAL.labels(self.task.name, outcome).inc()
            about = self.task.log_context(self.args, self.kwargs)
            log.error("task_lost", outcome=outcome, task=self.task.name, task_id=self.id, **about)
