"""How far an export is: its row says how it ended and how much is written, the result backend whether it has begun."""

from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from celery_task.report_task import has_started
from orders.models import Export


class State(StrEnum):
    """Where an export stands."""

    QUEUED = "queued"  #: no worker has begun, or nobody remembers
    STARTED = "started"  #: a worker writes the first part
    PROGRESS = "progress"  #: some parts are written
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


STATE_LABELS: dict[State, Promise] = {
    State.QUEUED: _("queued"),
    State.STARTED: _("started"),
    State.PROGRESS: _("being written"),
    State.DONE: _("done"),
    State.FAILED: _("failed"),
    State.CANCELLED: _("cancelled"),
}


def recorded_state(export: Export) -> State:
    """What its row says, which is all but whether a worker has begun."""
    if export.result:
        return State(export.result)
    return State.PROGRESS if export.parts else State.QUEUED


def state_of(export: Export) -> State:
    """The same, and the result backend is asked about an export of which nothing is written yet."""
    state = recorded_state(export)
    return State.STARTED if state is State.QUEUED and has_started(export) else state
