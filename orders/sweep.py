"""Sweeper: once a second, load and rebuild lines, end decided sales, and find sales that need settlement."""

from dataclasses import dataclass
from datetime import timedelta

import redis
import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from orders.models import Order
from orders.reconciliation import ENDED_SALE_TTL_SECONDS, rebuild_line, redis_config, sync_sale_to_redis
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.command import Command
from seckill.line.keys import sale_keys
from seckill.line.line import Line
from seckill.line.snapshot import Snapshot
from seckill.line.state import State
from seckill.timestamps import from_epoch_ms

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DueSettlement:
    """A sale with places to settle, up to place ``upto``."""

    sale_id: int
    upto: int


def sweep(line: Line) -> list[DueSettlement]:
    """Load or update the lines of all sales that matter, and end decided sales.

    Those are the sales that have not ended, or ended within `ENDED_SALE_TTL_SECONDS`.

    Returns:
        The doorbells to ring: lines with waiting buyers and units left, and reservations whose lease has expired.
    """
    recently = timezone.now() - timedelta(seconds=ENDED_SALE_TTL_SECONDS)
    doorbells = []
    sales = list(Sale.objects.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=recently)))
    snapshots = line.run_all([_snapshot(sale) for sale in sales])
    for sale, snapshot in zip(sales, snapshots, strict=True):
        if isinstance(snapshot, redis.ResponseError):  # skip only this sale
            log.error("sale_not_swept", sale=sale.pk, error=str(snapshot))
            continue
        if snapshot is None:
            rebuild_line(line, sale.pk, broken_epoch=None)
            continue
        if sale.ended_at is None and _config_changed(snapshot, sale):
            sync_sale_to_redis(line, Sale.objects.get(pk=sale.pk))
        if snapshot.expired_reservations or (snapshot.waiting and snapshot.stock > 0 and not snapshot.ended_ms):
            doorbells.append(DueSettlement(sale.pk, snapshot.places_issued))
        elif sale.ended_at is None and (snapshot.ended_ms or _is_complete(sale, snapshot)):
            _end_sale(line, sale.pk)
    return doorbells


def _snapshot(sale: Sale) -> Command[Snapshot | None]:
    return commands.snapshot(sale.pk)


def _config_changed(snapshot: Snapshot, sale: Sale) -> bool:
    in_line = commands.SaleConfig(
        snapshot.stock_total, snapshot.opens_ms, snapshot.closes_ms, snapshot.status, snapshot.line_limit
    )
    return in_line != redis_config(sale)


def _is_complete(sale: Sale, snapshot: Snapshot) -> bool:
    """Whether the sale is decided: every unit is paid, or the sale is closed and no buyer waits."""
    # A scheduled sale may still get its stock before it opens.
    if snapshot.reserved_units or snapshot.state() is State.SCHEDULED:
        return False
    if snapshot.state() is State.CLOSED and snapshot.waiting == 0:
        return True
    return snapshot.stock <= 0 and _all_paid(sale)


def _all_paid(sale: Sale) -> bool:
    return Order.objects.filter(sale=sale, status=Order.Status.PAID).count() >= sale.stock


def _end_sale(line: Line, sale_id: int) -> None:
    with transaction.atomic():
        sale = Sale.objects.select_for_update().get(pk=sale_id)  # so that the stock can't grow
        snapshot = line.run(_snapshot(sale))
        # If the line ended but the ledger did not, the sale has ended: buyers may have seen that.
        if snapshot is None or not (snapshot.ended_ms or _is_complete(sale, snapshot)):
            return
        if line.client.hlen(sale_keys(sale_id).outcomes) < Order.objects.filter(sale=sale).count():
            return  # the line lacks the outcome of an order and has to be rebuilt first
        ended_ms = line.run(commands.end_sale(sale_id))
        if not ended_ms:
            return
        Sale.objects.filter(pk=sale_id).update(ended_at=from_epoch_ms(ended_ms))
    line.expire_after(sale_id, ENDED_SALE_TTL_SECONDS)
    log.info("sale_ended", sale=sale_id, sold=sale.sold, waited=snapshot.waiting)
