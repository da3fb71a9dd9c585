"""State of an export. The row stores the result and the progress, the result backend whether a worker has started."""

from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from celery_task.export_task import has_started
from orders.models import Export


class ExportState(StrEnum):
    """State of an export."""

    QUEUED = "queued"  #: no worker has started, or the result backend has no record of it
    STARTED = "started"  #: a worker is writing the first chunk
    PROGRESS = "progress"  #: some chunks are written
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


STATE_LABELS: dict[ExportState, Promise] = {
    ExportState.QUEUED: _("queued"),
    ExportState.STARTED: _("started"),
    ExportState.PROGRESS: _("in progress"),
    ExportState.DONE: _("done"),
    ExportState.FAILED: _("failed"),
    ExportState.CANCELLED: _("cancelled"),
}


def recorded_state(export: Export) -> ExportState:
    """Return the state stored in the row. It can't tell STARTED from QUEUED."""
    if export.result:
        return ExportState(export.result)
    return ExportState.PROGRESS if export.chunks else ExportState.QUEUED


def state_of(export: Export) -> ExportState:
    """Return the state. Query the result backend only if the row says QUEUED."""
    state = recorded_state(export)
    return ExportState.STARTED if state is ExportState.QUEUED and has_started(export) else state
