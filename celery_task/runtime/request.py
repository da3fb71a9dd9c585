"""Request: what a worker's main process knows of a task. It alone learns that the task's process is gone."""

from typing import Any

import structlog
from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request

from celery_task.runtime.metrics import ENDED

log = structlog.get_logger("celery_task")

#: How a task may end without a word. A lost one is delivered again; one that overran is not.
GONE = {WorkerLostError: "lost", TimeLimitExceeded: "overrun"}


class ShopRequest(Request):
    """Says and counts what the task can't any more."""

    def on_failure(self, exc_info: ExceptionInfo, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (Celery's own)
        """It raised, or its process was killed."""
        super().on_failure(exc_info, *args, **kwargs)
        wrapped = exc_info.exception  # with its traceback as text
        if outcome := GONE.get(type(wrapped.exc if isinstance(wrapped, ExceptionWithTraceback) else wrapped)):
            ENDED.labels(self.task.name, outcome).inc()
            about = self.task.about(self.args, self.kwargs)
            log.error("task_gone", outcome=outcome, task=self.task.name, task_id=self.id, **about)
