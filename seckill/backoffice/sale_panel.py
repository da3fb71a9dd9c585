"""The live sale view: where a sale's line stands by Redis, beside what the ledger says."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict

from django.conf import settings
from django.db.models import Count
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from redis.exceptions import RedisError

from orders.models import Order
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.line import Line
from seckill.line.snapshot import Snapshot
from seckill.line.state import State


class RedisStatus(StrEnum):
    """Whether Redis told us about a sale."""

    KNOWN = "known"  #: it did
    UNKNOWN = "unknown"  #: it does not know the sale, until the sweeper loads it
    UNREACHABLE = "unreachable"  #: it did not answer


REACH_LABELS: dict[RedisStatus, Promise] = {
    RedisStatus.UNKNOWN: _("unknown"),
    RedisStatus.UNREACHABLE: _("unreachable"),
}
STATE_LABELS: dict[State, Promise] = {
    State.SCHEDULED: _("scheduled"),
    State.OPEN: _("open"),
    State.SOLD_OUT: _("sold out"),
    State.PAUSED: _("paused"),
    State.CLOSED: _("closed"),
}


class SaleFigures(TypedDict):
    """The view as JSON. None stands for whatever Redis did not tell."""

    reach: str
    state: str | None
    state_label: str | None
    epoch: int | None
    admitted: int | None  #: places given out
    pointer: int | None
    waiting: int | None  #: places behind the pointer
    remaining: int | None  #: units left
    reserved: int | None  #: units under a claim, and those of orders to be paid
    paid: int
    sold: int
    stock: int


@dataclass(frozen=True, slots=True)
class SaleStats:
    """One sale at one moment."""

    reach: RedisStatus
    snapshot: Snapshot | None  #: None unless ``reach`` is KNOWN
    stock: int
    sold: int
    pending: int  #: orders to be paid
    paid: int  #: orders paid

    @property
    def reserved(self) -> int | None:
        """Units promised but not paid for: under a claim, or in an order to be paid."""
        return None if self.snapshot is None else self.snapshot.reserved_units + self.pending

    def figures(self) -> SaleFigures:
        """All of it, for JSON and for the template."""
        line = self.snapshot
        state = line.state() if line else None
        return SaleFigures(
            reach=self.reach,
            state=state,
            state_label=str(STATE_LABELS[state]) if state else None,
            epoch=line.epoch if line else None,
            admitted=line.places_issued if line else None,
            pointer=line.pointer if line else None,
            waiting=line.waiting if line else None,
            remaining=line.remaining if line else None,
            reserved=self.reserved,
            paid=self.paid,
            sold=self.sold,
            stock=self.stock,
        )


def load_stats(line: Line, sales: Sequence[Sale]) -> dict[int, SaleStats]:
    """Each sale's view by its id: one snapshot a sale, and one query for all.

    Redis is asked no more after it did not answer once: a page of sales waits for it no longer than one sale does.
    """
    counted = {
        (row["sale"], row["status"]): row["orders"]
        for row in Order.objects.filter(sale__in=sales, status__in=(Order.Status.PENDING, Order.Status.PAID))
        .order_by()
        .values("sale", "status")
        .annotate(orders=Count("pk"))
    }
    views = {}
    reachable = True
    for sale in sales:
        snapshot = None
        if reachable:
            try:
                snapshot = line.run(commands.snapshot(sale.pk, lease_seconds=settings.RESERVATION_LEASE_SECONDS))
            except RedisError:
                reachable = False
        views[sale.pk] = SaleStats(
            reach=(RedisStatus.KNOWN if snapshot else RedisStatus.UNKNOWN) if reachable else RedisStatus.UNREACHABLE,
            snapshot=snapshot,
            stock=sale.stock,
            sold=sale.sold,
            pending=counted.get((sale.pk, Order.Status.PENDING), 0),
            paid=counted.get((sale.pk, Order.Status.PAID), 0),
        )
    return views
