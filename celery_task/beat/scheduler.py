"""Scheduler: schedules in the database, and each due run sent once, although a beat runs on every host.

One beat leads, the others stand by. The leader says so every second (`Leader.heartbeat_count`); who has not seen that number
move for `LEASE_SECONDS` takes over. Each beat measures this by its own monotonic clock, so no two clocks are compared.

A leader that was paused, or cut off, may not know yet that it is none. Therefore each run is *claimed* first, by a
conditional UPDATE of its row, whose `total_run_count` is the number of the run: only one beat can take run 4,711. What
could not be sent is given back. What is left: a beat that dies between the two leaves one run out, and one that loses
the broker in the middle of sending may send a run again.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import structlog
from celery.beat import SchedulingError
from celery.schedules import schedstate
from celery.utils.dispatch import Signal
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.db.models import F
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from celery_task.models import Leader

log = structlog.get_logger(__name__)

RENEW_SECONDS = 1
LEASE_SECONDS = 3  # a leader silent for so long has none any more
RETRY_SECONDS = 1  # after something did not work
INVALID_RETRY_SECONDS = 300
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

beat_ticked = Signal(name="beat_ticked", providing_args=set())  # whether it leads or stands by


@dataclass(frozen=True, slots=True)
class RunClaim:
    """A run that is ours to send: of which schedule, which number, and when the one before it was."""

    schedule: int
    last_run_at: datetime | None
    number: int

    def take(self) -> datetime | None:
        """When it became ours; None if it is not, for somebody was faster or the schedule was switched off."""
        at = timezone.now()
        free = PeriodicTask.objects.filter(pk=self.schedule, enabled=True, total_run_count=self.number)
        return at if free.update(last_run_at=at, total_run_count=self.number + 1) else None

    def give_back(self) -> None:
        """It was not sent: let it be due again."""
        taken = PeriodicTask.objects.filter(pk=self.schedule, total_run_count=self.number + 1)
        taken.update(last_run_at=self.last_run_at, total_run_count=self.number)


@contextmanager
def _defer_signals() -> Iterator[None]:
    """Let signals to stop wait.

    Celery's handler saves the schedule: if it interrupted a query, its own would wait for the same connection for ever.
    And a run that is claimed should be sent.
    """
    asked: list[int] = []
    before = {number: signal.signal(number, lambda got, _: asked.append(got)) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for wanted in asked:
        signal.raise_signal(wanted)


class Entry(ModelEntry):
    """A schedule. One that beat can't work out, such as 30 February, keeps the others from nothing."""

    def is_due(self) -> schedstate:
        """Whether it is due, and the seconds until it should be looked at again."""
        try:
            return super().is_due()
        except (RuntimeError, ValueError) as error:
            log.error("schedule_invalid", schedule=self.name, error=str(error))  # noqa: TRY400 (its text says all)
            return schedstate(is_due=False, next=INVALID_RETRY_SECONDS)


class Scheduler(DatabaseScheduler):
    """django-celery-beat's scheduler with a leader, and with runs that are claimed before they are sent."""

    Entry = Entry

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (Celery's own)
        self.name = f"{settings.HOST}:{os.getpid()}:{uuid4().hex[:8]}"
        self.leads = False
        self._seen: tuple[str, int] | None = None
        self._seen_at = self._renewed_at = 0.0
        self._claim: RunClaim | None = None
        self._trouble = False
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Nothing yet: a beat starts without its database, too, and the leader alone makes schedules."""

    def _make_missing(self) -> None:
        """Make the schedules that are missing. Those that are there belong to the operator."""
        known = set(PeriodicTask.objects.values_list("name", flat=True))
        for name, entry in self.app.conf.beat_schedule.items():
            if name not in known:
                self.Entry.from_entry(name, app=self.app, **entry)
                log.info("schedule_created", schedule=name)

    # --- Leading

    def tick(self, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401 (Celery's own)
        """Send one run that is due, if we lead; gives the seconds until it should be called again."""
        beat_ticked.send(sender=self)
        with _defer_signals():
            return self._tick(*args, **kwargs)

    def _tick(self, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401 (Celery's own)
        try:
            if not self._acquire_or_renew():
                return RENEW_SECONDS
            self._trouble = False
            wait = float(super().tick(*args, **kwargs))
        except (DatabaseError, InterfaceError) as error:
            log.warning("schedule_unreachable", error=str(error))
            close_old_connections()
            self._release_leadership()
            return RETRY_SECONDS
        return RETRY_SECONDS if self._trouble else min(wait, RENEW_SECONDS)

    def _acquire_or_renew(self) -> bool:
        """Whether we lead, or do from now on."""
        now = time.monotonic()
        if self.leads:
            if now - self._renewed_at < RENEW_SECONDS:
                return True
            if Leader.objects.filter(pk=1, holder=self.name).update(heartbeat_count=F("heartbeat_count") + 1):
                self._renewed_at = now
                return True
            log.warning("beat_lead_lost", beat=self.name)
            self._release_leadership()
            return False
        leader, _ = Leader.objects.get_or_create(pk=1)
        seen = (leader.holder, leader.heartbeat_count)
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        if leader.holder not in {"", self.name} and now - self._seen_at < LEASE_SECONDS:
            return False
        if not Leader.objects.filter(pk=1, holder=leader.holder, heartbeat_count=leader.heartbeat_count).update(
            holder=self.name, heartbeat_count=F("heartbeat_count") + 1, since=timezone.now()
        ):
            return False  # another one was faster
        self.leads, self._renewed_at = True, now
        self._make_missing()
        self._reload()
        log.warning("beat_lead_acquired", beat=self.name, before=leader.holder)
        return True

    def _release_leadership(self) -> None:
        self.leads = False
        self._seen = None

    def close(self) -> None:
        """Hand the lead to whoever stands by, at once."""
        if self.leads:
            self._release_leadership()
            try:
                Leader.objects.filter(pk=1, holder=self.name).update(holder="")
            except (DatabaseError, InterfaceError) as error:
                log.warning("schedule_unreachable", error=str(error))
        super().close()

    # --- Sending

    def _reload(self) -> None:
        """Forget what we know of the schedules: others may have sent since."""
        self._heap = None
        self._initial_read = True

    def reserve(self, entry: ModelEntry) -> ModelEntry:
        """Claim a run that is due."""
        model: PeriodicTask = entry.model
        claim = RunClaim(model.pk, model.last_run_at, model.total_run_count)
        at = claim.take()
        if at is None:
            self._claim = None
            self._reload()
            return entry
        self._claim = claim
        model.last_run_at, model.total_run_count = at, claim.number + 1
        self._schedule[entry.name] = renewed = self.Entry(model, app=self.app)
        return renewed

    def apply_entry(self, entry: ModelEntry, producer: Any = None) -> None:  # noqa: ANN401 (kombu's)
        """Send the run we claimed."""
        claim, self._claim = self._claim, None
        if claim is None:
            return
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            log.warning("run_not_sent", schedule=entry.name, error=str(error.__cause__ or error))
            claim.give_back()
            self._reload()
            self._trouble = True
