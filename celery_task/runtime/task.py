"""Task: the base of every task. Says what became of it, with whose sale and place, and counts it."""

# ruff: noqa: ARG002 (Celery calls these with what it calls them with)

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

# What a task is about, by the names of its parameters. A signed ticket never stands in a message or a log: whoever
# reads it could act for its holder. Sale and place name the same thing.
CONTEXT_ARGS = {"sale_id": "sale", "upto": "place", "number": "order", "event_id": "event", "export_id": "export"}


class ShopTask(Task):
    """Logs and metrics of every task; what else a task needs it says where it is declared."""

    abstract = True
    Request = "celery_task.runtime.request:ShopRequest"

    def before_start(self, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Everything logged from here on says which task it is, and whom it is about."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(task=self.name, task_id=task_id, **self.log_context(args, kwargs))
        if sent_at := self.request.get("sent_at"):
            TASK_QUEUE_TIME.labels(self.name).observe(max(0.0, time.time() - sent_at))
        self.request.began = time.monotonic()

    def on_success(self, retval: object, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """It returned."""
        log.debug("task_succeeded")

    def on_failure(
        self, exc: Exception, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any], einfo: ExceptionInfo
    ) -> None:
        """It raised for the last time."""
        log.error("task_failed", error=repr(exc), traceback=str(einfo.traceback) if einfo else None)

    def on_retry(
        self, exc: Exception, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any], einfo: ExceptionInfo
    ) -> None:
        """It raised, and is tried again."""
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
        """However it ended, but for a retry or what it asked to be ignored: of those only `record_metrics` hears."""
        log.debug("task_ended", status=status, seconds=self.seconds())

    def seconds(self) -> float:
        """How long it has been running; 0 in a process that did not start it."""
        began = getattr(self.request, "began", None)
        return 0.0 if began is None else round(time.monotonic() - began, 4)

    def log_context(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Whom the call is about, as far as its arguments say."""
        try:
            given = _signature(self.run).bind_partial(*args, **kwargs).arguments
        except TypeError:  # arguments it does not take: it fails, and says so
            return {}
        return {name: given[parameter] for parameter, name in CONTEXT_ARGS.items() if parameter in given}


@task_postrun.connect
def record_metrics(task: ShopTask, state: str | None, **_: object) -> None:
    """However it ended: also with ``Ignore``, ``Reject`` or a retry, of which `Task.after_return` does not hear."""
    if state:
        TASKS_TOTAL.labels(task.name, state.lower()).inc()
        TASK_DURATION.labels(task.name).observe(task.seconds())
    structlog.contextvars.clear_contextvars()


@cache
def _signature(function: Any) -> inspect.Signature:  # noqa: ANN401 (a method of Celery's making)
    return inspect.signature(function)
