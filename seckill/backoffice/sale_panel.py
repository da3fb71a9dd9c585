"""Live view of a sale: figures of the line from Redis, figures of the ledger from SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict

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
    """Whether Redis returned a snapshot of a sale."""

    LOADED = "loaded"
    NOT_LOADED = "not_loaded"  #: the sweeper loads the sale
    UNREACHABLE = "unreachable"  #: Redis did not answer


REACH_LABELS: dict[RedisStatus, Promise] = {
    RedisStatus.NOT_LOADED: _("not loaded"),
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
    """The live view as JSON. A figure from Redis is None without a snapshot."""

    reach: str
    state: str | None
    state_label: str | None
    epoch: int | None
    admitted: int | None  #: places issued
    pointer: int | None
    waiting: int | None  #: places behind the pointer
    remaining: int | None  #: units left
    reserved: int | None  #: units in a reservation or in a pending order
    paid: int
    sold: int
    stock: int


@dataclass(frozen=True, slots=True)
class SaleStats:
    """Figures of one sale at one moment."""

    reach: RedisStatus
    snapshot: Snapshot | None  #: None unless ``reach`` is LOADED
    stock: int
    sold: int
    pending: int  #: pending orders
    paid: int  #: paid orders

    @property
    def reserved(self) -> int | None:
        """Units in a reservation or in a pending order. None without a snapshot."""
        return None if self.snapshot is None else self.snapshot.reserved_units + self.pending

    def figures(self) -> SaleFigures:
        """Return all figures, for JSON and for the template."""
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
    """Return the figures of each sale by sale id. Reads one snapshot per sale and runs one query for all sales.

    After the first Redis error no more snapshots are read, so a page of sales waits no longer than one sale does.
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
        reach = RedisStatus.UNREACHABLE
        if reachable:
            try:
                snapshot = line.run(commands.snapshot(sale.pk))
            except RedisError:
                reachable = False
            else:
                reach = RedisStatus.LOADED if snapshot else RedisStatus.NOT_LOADED
        views[sale.pk] = SaleStats(
            reach=reach,
            snapshot=snapshot,
            stock=sale.stock,
            sold=sale.sold,
            pending=counted.get((sale.pk, Order.Status.PENDING), 0),
            paid=counted.get((sale.pk, Order.Status.PAID), 0),
        )
    return views
