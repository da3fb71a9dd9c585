"""How far an export is: its row says how it ended and how much is written, the result backend whether it has begun."""

from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from celery_task.export_task import has_started
from orders.models import Export


class ExportState(StrEnum):
    """Where an export stands."""

    QUEUED = "queued"  #: no worker has begun, or nobody remembers
    STARTED = "started"  #: a worker writes the first part
    PROGRESS = "progress"  #: some parts are written
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


STATE_LABELS: dict[ExportState, Promise] = {
    ExportState.QUEUED: _("queued"),
    ExportState.STARTED: _("started"),
    ExportState.PROGRESS: _("being written"),
    ExportState.DONE: _("done"),
    ExportState.FAILED: _("failed"),
    ExportState.CANCELLED: _("cancelled"),
}


def recorded_state(export: Export) -> ExportState:
    """What its row says, which is all but whether a worker has begun."""
    if export.result:
        return ExportState(export.result)
    return ExportState.PROGRESS if export.parts else ExportState.QUEUED


def state_of(export: Export) -> ExportState:
    """The same, and the result backend is asked about an export of which nothing is written yet."""
    state = recorded_state(export)
    return ExportState.STARTED if state is ExportState.QUEUED and has_started(export) else state
