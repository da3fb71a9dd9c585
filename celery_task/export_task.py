"""Report tasks: exports, written a part at a time.

`export_orders` writes one part and sends itself again under the same task id. So exports take turns, a worker that is
told to stop has done so in a second, one that is killed costs a part, and none of them grows.
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
from celery_task.order_task import TRANSIENT_ERRORS
from celery_task.runtime.publishing import PUBLISH_OPTIONS
from orders.export import delete_old_exports, mark_cancelled, mark_failed, stalled_exports, write_next_chunk
from orders.models import Export

log = structlog.get_logger(__name__)

PROGRESS = "PROGRESS"  #: Celery state of an export under way: ``{"rows": int, "total": int}``
# A part takes half a second. On Redis a message held for longer than `VISIBILITY_SECONDS` is given to a second worker.
CHUNK_SECONDS_MAX = 20
TOO_SLOW = gettext_noop("A part of it took too long to write.")


@shared_task(
    bind=True,
    ignore_result=False,
    track_started=False,  # it would say STARTED again with each part
    soft_time_limit=CHUNK_SECONDS_MAX,
    time_limit=CHUNK_SECONDS_MAX + 5,
    autoretry_for=TRANSIENT_ERRORS,
    retry_backoff=1,
    retry_backoff_max=8,
    retry_jitter=True,
    max_retries=4,  # then `resume_stalled_exports` sends it again
)
def export_orders(self: Task, export_id: str, part: int) -> dict[str, int]:
    """Write the part after ``part`` parts of an export; the last one gives ``{"rows": int, "parts": int}``.

    Twice, late or in disorder does no harm: only who writes a part asks for the next one.
    """
    export = Export.objects.filter(pk=export_id, result="").first()
    if export is None or export.parts != part:
        raise Ignore
    if part == 0:
        _update_progress(self, states.STARTED)
    try:
        written = write_next_chunk(export)
    except TRANSIENT_ERRORS:
        raise
    except SoftTimeLimitExceeded:
        connection.close()  # it may be in the middle of a query
        mark_failed(export, TOO_SLOW)
        raise
    except Exception as error:
        mark_failed(export, f"{type(error).__name__}: {error}")
        raise
    if not written:
        raise Ignore
    if export.result:
        return {"rows": export.rows, "parts": export.parts}
    _update_progress(self, PROGRESS, rows=export.rows, total=export.total)
    enqueue(export)
    raise Ignore  # or this part's end would be taken for the export's


def _update_progress(task: Task, state: str, **meta: int | None) -> None:
    """Tell whoever watches the result backend, if it can be told."""
    try:
        task.update_state(state=state, meta=meta)
    except redis.RedisError as error:
        log.warning("progress_not_updated", error=str(error))


def enqueue(export: Export) -> None:
    """Ask a worker for the next part; if the broker is away, `resume_stalled_exports` asks later."""
    try:
        with denied_join_result():  # or it would subscribe to a result that nobody reads, and need the backend for it
            export_orders.apply_async((str(export.pk), export.parts), task_id=str(export.pk), **PUBLISH_OPTIONS)
    except (BrokerError, OSError) as error:
        log.warning("export_not_enqueued", export=str(export.pk), error=str(error))


def cancel_export(export: Export) -> bool:
    """Cancel an export: one that waits never starts, one under way stops before its next part.

    False when it had ended already.
    """
    if not mark_cancelled(export):
        return False
    try:
        app.control.revoke(str(export.pk))
    except (BrokerError, OSError) as error:  # its row says it, too
        log.warning("export_not_revoked", export=str(export.pk), error=str(error))
    return True


def has_started(export: Export) -> bool:
    """Whether a worker has said that it has begun. False also when nobody knows any more."""
    try:
        state = app.AsyncResult(str(export.pk)).state
    except redis.RedisError:
        return False
    return bool(state != states.PENDING)


@shared_task
def resume_stalled_exports() -> None:
    """Every half minute: send what got lost again."""
    for export in stalled_exports():
        enqueue(export)


@shared_task
def purge_exports() -> None:
    """Every night: delete exports older than a week, and their files."""
    delete_old_exports()
