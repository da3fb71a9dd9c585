"""Request: what a worker's main process knows of a task. It alone learns that the task's process is gone."""

from typing import Any

import structlog
from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request

from celery_task.runtime.metrics import TASKS_TOTAL

log = structlog.get_logger("celery_task")

#: How a task may end without a word. A lost one is delivered again; one that overran is not.
LOST_OUTCOMES = {WorkerLostError: "lost", TimeLimitExceeded: "timeout"}


class ShopRequest(Request):
    """Says and counts what the task can't any more."""

    def on_failure(self, exc_info: ExceptionInfo, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (Celery's own)
        """It raised, or its process was killed."""
        super().on_failure(exc_info, *args, **kwargs)
        wrapped = exc_info.exception  # with its traceback as text
        if outcome := LOST_OUTCOMES.get(type(wrapped.exc if isinstance(wrapped, ExceptionWithTraceback) else wrapped)):
            TASKS_TOTAL.labels(self.task.name, outcome).inc()
            about = self.task.log_context(self.args, self.kwargs)
            log.error("task_lost", outcome=outcome, task=self.task.name, task_id=self.id, **about)
