"""Database scheduler that sends each due run once, with a beat process on every host.

One beat leads and the others stand by. The leader increments `Leader.heartbeat_count` every second. A standby that has
not seen this number change for `LEASE_SECONDS` takes over. Each beat measures that time by its own monotonic clock, so
clocks of different hosts are never compared.

A leader that was paused or disconnected may not have noticed that it lost the lead. Therefore a beat *claims* each run
before it sends the run, by a conditional UPDATE of the schedule's row: `total_run_count` is the number of the run, and
only one beat can claim run 4,711. A run that could not be sent is released.

Two failures remain: a beat that dies between claiming and sending skips the run, and a beat that loses the broker while
sending may send the run twice.
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
from seckill import conf

log = structlog.get_logger(__name__)

RENEW_SECONDS = conf.BEAT_RENEW_SECONDS
LEASE_SECONDS = conf.BEAT_LEASE_SECONDS
RETRY_SECONDS = 1  # after a database or broker error
INVALID_RETRY_SECONDS = 300
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

beat_ticked = Signal(name="beat_ticked", providing_args=set())  # sent by leaders and standbys


@dataclass(frozen=True, slots=True)
class RunClaim:
    """Claim on one run of a schedule."""

    schedule: int  #: primary key
    last_run_at: datetime | None  #: time of the previous run
    number: int  #: `total_run_count` before the run

    def take(self) -> datetime | None:
        """Claim the run; return the time, or None if another beat was faster or the schedule is disabled."""
        at = timezone.now()
        free = PeriodicTask.objects.filter(pk=self.schedule, enabled=True, total_run_count=self.number)
        return at if free.update(last_run_at=at, total_run_count=self.number + 1) else None

    def release(self) -> None:
        """Release a run that was not sent, so that it is due again."""
        taken = PeriodicTask.objects.filter(pk=self.schedule, total_run_count=self.number + 1)
        taken.update(last_run_at=self.last_run_at, total_run_count=self.number)


@contextmanager
def _defer_signals() -> Iterator[None]:
    """Defer SIGTERM and SIGINT until the block ends.

    Celery's signal handler saves the schedule. If it interrupted a query, its own query would wait forever for the same
    connection. And a claimed run should be sent.
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
    """Schedule entry. One that can't be evaluated, such as 30 February, doesn't stop the other schedules."""

    def is_due(self) -> schedstate:
        """Return whether the schedule is due, and the seconds until the next check."""
        try:
            return super().is_due()
        except (RuntimeError, ValueError) as error:
            log.error("schedule_invalid", schedule=self.name, error=str(error))  # noqa: TRY400 (the error's text is enough)
            return schedstate(is_due=False, next=INVALID_RETRY_SECONDS)


class Scheduler(DatabaseScheduler):
    """django-celery-beat's scheduler with leader election and claimed runs."""

    Entry = Entry

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (Celery's own)
        self.name = f"{settings.HOST}:{os.getpid()}:{uuid4().hex[:8]}"
        self.leads = False
        self._seen: tuple[str, int] | None = None
        self._seen_at = self._renewed_at = 0.0
        self._claim: RunClaim | None = None
        self._send_failed = False
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Do nothing: beat must start without its database, and only the leader creates schedules."""

    def _make_missing(self) -> None:
        """Create missing built-in schedules. Existing ones may have been changed by the operator."""
        known = set(PeriodicTask.objects.values_list("name", flat=True))
        for name, entry in self.app.conf.beat_schedule.items():
            if name not in known:
                self.Entry.from_entry(name, app=self.app, **entry)
                log.info("schedule_created", schedule=name)

    # --- Leader election

    def tick(self, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401 (Celery's own)
        """Send one due run if this beat leads; return the seconds until the next call."""
        beat_ticked.send(sender=self)
        with _defer_signals():
            return self._tick(*args, **kwargs)

    def _tick(self, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401 (Celery's own)
        try:
            if not self._acquire_or_renew():
                return RENEW_SECONDS
            self._send_failed = False
            wait = float(super().tick(*args, **kwargs))
        except (DatabaseError, InterfaceError) as error:
            log.warning("schedules_unavailable", error=str(error))
            close_old_connections()
            self._release_leadership()
            return RETRY_SECONDS
        return RETRY_SECONDS if self._send_failed else min(wait, RENEW_SECONDS)

    def _acquire_or_renew(self) -> bool:
        """Renew the lead, or take it over if it is free; return whether this beat leads."""
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
            return False  # another beat was faster
        self.leads, self._renewed_at = True, now
        self._make_missing()
        self._reload()
        log.warning("beat_lead_acquired", beat=self.name, before=leader.holder)
        return True

    def _release_leadership(self) -> None:
        self.leads = False
        self._seen = None

    def close(self) -> None:
        """Release the lead, so that a standby takes over at once."""
        if self.leads:
            self._release_leadership()
            try:
                Leader.objects.filter(pk=1, holder=self.name).update(holder="")
            except (DatabaseError, InterfaceError) as error:
                log.warning("schedules_unavailable", error=str(error))
        super().close()

    # --- Sending

    def _reload(self) -> None:
        """Drop the loaded schedules: another beat may have sent runs since."""
        self._heap = None
        self._initial_read = True

    def reserve(self, entry: ModelEntry) -> ModelEntry:
        """Claim a due run for `apply_entry`."""
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
        """Send the claimed run; release the claim if sending fails."""
        claim, self._claim = self._claim, None
        if claim is None:
            return
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            log.warning("scheduled_task_not_sent", schedule=entry.name, error=str(error.__cause__ or error))
            claim.release()
            self._reload()
            self._send_failed = True
