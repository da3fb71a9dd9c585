"""Lease: a time-limited right of one worker to process a row.

A worker leases rows before it works on them, so that no other worker does the same work. If the worker dies, the lease
expires, and another worker may take the row. Leases start and end by the database's clock, so clocks of hosts are never
compared.

Two other leases are of another kind. Beat's leader (`celery_task.beat.scheduler`) is one row, renewed every
second and judged by each beat's monotonic clock, because a jump of the database's clock must neither keep a dead leader
nor depose a living one. Reservations of places (`seckill.line.commands.reserve`) are in Redis, because the places are,
and are taken in the same atomic call.
"""

from datetime import timedelta
from typing import TypeVar

from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now

M = TypeVar("M", bound="LeasedModel")


class LeaseQuerySet(models.QuerySet[M]):
    """Rows that workers lease."""

    def without_lease(self, seconds: float) -> "LeaseQuerySet[M]":
        """Return the rows whose last lease is older than ``seconds``, or that never had one."""
        return self.filter(Q(locked_at__isnull=True) | Q(locked_at__lt=Now() - timedelta(seconds=seconds)))

    def lease_pending(self, seconds: float, *, limit: int) -> list[M]:
        """Lease the first ``limit`` rows without a lease of the last ``seconds``. Return them as they were before.

        Rows are locked only during these two statements. Concurrent callers skip each other's rows.
        """
        with transaction.atomic():
            leased = list(self.without_lease(seconds).select_for_update(skip_locked=True)[:limit])
            self.model._default_manager.filter(pk__in=[row.pk for row in leased]).update(locked_at=Now())  # noqa: SLF001 (a documented API)
        return leased

    def renew_leases(self) -> int:
        """Start the leases of these rows anew. Return the number of rows."""
        return self.update(locked_at=Now())


class LeasedModel(models.Model):
    """A model whose rows are processed by one worker at a time."""

    locked_at = models.DateTimeField(null=True, editable=False)  #: start of the last lease, by the database's clock

    objects = LeaseQuerySet.as_manager()

    class Meta:
        abstract = True
