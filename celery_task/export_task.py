"""Export tasks.

`export_orders` writes one chunk and sends itself again under the same task id. Exports therefore take turns, a worker
shuts down within a second, a killed worker loses one chunk at most, and memory does not grow with the export.
"""

import redis
import structlog
from celery import Task, shared_task, states
from celery.exceptions import Ignore, SoftTimeLimitExceeded
from celery.result import denied_join_result
from django.db import connection
from django.utils.translation import gettext_noop
from kombu.exceptions import OperationalError as BrokerError

from celery_task.celery import app
from celery_task.runtime.publishing import PUBLISH_OPTIONS
from celery_task.runtime.retries import RETRY_POLICY, TRANSIENT_ERRORS
from orders.export import delete_old_exports, lease_stalled_exports, mark_cancelled, mark_failed, write_next_chunk
from orders.models import Export
from seckill import conf

log = structlog.get_logger(__name__)

PROGRESS = "PROGRESS"  #: Celery state of a running export: ``{"rows": int, "total": int}``
CHUNK_SECONDS_MAX = conf.EXPORT_CHUNK_SECONDS_MAX
TOO_SLOW = gettext_noop("Writing a chunk took too long.")


@shared_task(
    bind=True,
    ignore_result=False,
    track_started=False,  # or each chunk would set the state to STARTED again
    soft_time_limit=CHUNK_SECONDS_MAX,
    time_limit=CHUNK_SECONDS_MAX + conf.EXPORT_KILL_SECONDS,
    autoretry_for=TRANSIENT_ERRORS,
    **RETRY_POLICY,  # then `resume_stalled_exports` sends it again
)
def export_orders(self: Task, export_id: str, chunk: int) -> dict[str, int]:
    """Write the chunk of an export that follows its first ``chunk`` chunks, and send the task for the next chunk.

    The last chunk returns ``{"rows": int, "chunks": int}``. Repeated, late and reordered deliveries are safe: only the
    task that wrote a chunk sends the next one.

    Raises:
        Ignore: more chunks follow, or this delivery is out of date.
    """
    export = Export.objects.filter(pk=export_id, result="").first()
    if export is None or export.chunks != chunk:
        raise Ignore
    if chunk == 0:
        _update_progress(self, states.STARTED)
    try:
        written = write_next_chunk(export)
    except TRANSIENT_ERRORS:
        raise
    except SoftTimeLimitExceeded:
        connection.close()  # a query may have been interrupted
        mark_failed(export, TOO_SLOW)
        raise
    except Exception as error:
        mark_failed(export, f"{type(error).__name__}: {error}")
        raise
    if not written:
        raise Ignore
    if export.result:
        return {"rows": export.rows, "chunks": export.chunks}
    _update_progress(self, PROGRESS, rows=export.rows, total=export.total)
    enqueue(export)
    raise Ignore  # or Celery would record the whole export as finished


def _update_progress(task: Task, state: str, **meta: int | None) -> None:
    """Write the state to the result backend; log a warning if Redis is unavailable."""
    try:
        task.update_state(state=state, meta=meta)
    except redis.RedisError as error:
        log.warning("export_progress_not_updated", error=str(error))


def enqueue(export: Export) -> None:
    """Send the task for the next chunk. If the broker is unavailable, `resume_stalled_exports` sends it later."""
    try:
        with denied_join_result():  # or sending would need the result backend, to subscribe to an unused result
            export_orders.apply_async((str(export.pk), export.chunks), task_id=str(export.pk), **PUBLISH_OPTIONS)
    except (BrokerError, OSError) as error:
        log.warning("export_not_enqueued", export=str(export.pk), error=str(error))


def cancel_export(export: Export) -> bool:
    """Cancel an export; return False if it had already ended.

    A waiting export never starts. A running one stops before its next chunk.
    """
    if not mark_cancelled(export):
        return False
    try:
        app.control.revoke(str(export.pk))
    except (BrokerError, OSError) as error:  # the task also reads the cancellation from its row
        log.warning("export_not_revoked", export=str(export.pk), error=str(error))
    return True


def has_started(export: Export) -> bool:
    """Return whether a worker has started the export. False also if the result is gone or Redis is unavailable."""
    try:
        state = app.AsyncResult(str(export.pk)).state
    except redis.RedisError:
        return False
    return bool(state != states.PENDING)


@shared_task
def resume_stalled_exports() -> None:
    """Send lost export tasks again (every 30 s)."""
    for export in lease_stalled_exports():
        enqueue(export)


@shared_task
def purge_exports() -> None:
    """Delete exports older than a week, and their files (daily)."""
    delete_old_exports()
