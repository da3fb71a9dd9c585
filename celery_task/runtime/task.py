"""Base class of all tasks: logs and counts each outcome, with the task's sale and place as log context."""

# ruff: noqa: ARG002 (Celery fixes the signatures of these hooks)

import inspect
import time
from functools import cache
from typing import Any

import structlog
from billiard.einfo import ExceptionInfo
from celery import Task
from celery.signals import task_postrun

from celery_task.runtime.metrics import TASK_DURATION, TASK_QUEUE_TIME, TASKS_TOTAL

log = structlog.get_logger("celery_task")

# Log fields by parameter name. Messages and logs never contain a signed ticket, because its reader could act for its
# holder; sale and place identify the same buyer.
CONTEXT_ARGS = {"sale_id": "sale", "upto": "place", "number": "order", "event_id": "event", "export_id": "export"}


class ShopTask(Task):
    """Task with logs and metrics. Everything else is set where a task is declared."""

    abstract = True
    Request = "celery_task.runtime.request:ShopRequest"

    def before_start(self, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Bind the log context, record the queue time, and start the task's clock."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(task=self.name, task_id=task_id, **self.log_context(args, kwargs))
        if sent_at := self.request.get("sent_at"):
            TASK_QUEUE_TIME.labels(self.name).observe(max(0.0, time.time() - sent_at))
        self.request.began = time.monotonic()

    def on_success(self, retval: object, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Log that the task returned."""
        log.debug("task_succeeded")

    def on_failure(
        self, exc: Exception, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any], einfo: ExceptionInfo
    ) -> None:
        """Log that the task raised and will not be retried."""
        log.error("task_failed", error=repr(exc), traceback=str(einfo.traceback) if einfo else None)

    def on_retry(
        self, exc: Exception, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any], einfo: ExceptionInfo
    ) -> None:
        """Log that the task raised and will be retried."""
        log.warning("task_retried", error=repr(exc), retries=self.request.retries)

    def after_return(
        self,
        status: str,
        retval: object,
        task_id: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        einfo: ExceptionInfo | None,
    ) -> None:
        """Log the end of the task. Not called for Retry, Ignore and Reject; those reach only `record_metrics`."""
        log.debug("task_ended", status=status, seconds=self.seconds())

    def seconds(self) -> float:
        """Return the running time in seconds; 0 in a process that did not start the task."""
        began = getattr(self.request, "began", None)
        return 0.0 if began is None else round(time.monotonic() - began, 4)

    def log_context(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the log fields (`CONTEXT_ARGS`) found in a call's arguments."""
        try:
            given = _signature(self.run).bind_partial(*args, **kwargs).arguments
        except TypeError:  # wrong arguments: the task itself will fail and be logged
            return {}
        return {name: given[parameter] for parameter, name in CONTEXT_ARGS.items() if parameter in given}


@task_postrun.connect
def record_metrics(task: ShopTask, state: str | None, **_: object) -> None:
    """Count every outcome, including ``Ignore``, ``Reject`` and retries, which skip `Task.after_return`."""
    if state:
        TASKS_TOTAL.labels(task.name, state.lower()).inc()
        TASK_DURATION.labels(task.name).observe(task.seconds())
    structlog.contextvars.clear_contextvars()


@cache
def _signature(function: Any) -> inspect.Signature:  # noqa: ANN401 (a method created by Celery)
    return inspect.signature(function)
