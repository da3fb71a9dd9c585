"""Audit: does a sale's line agree with the ledger, and the ledger with itself? It looks, and repairs nothing."""

from typing import TypedDict

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone
from redis.exceptions import RedisError

from orders.models import ACTIVE_STATUSES, Audit, Order, unreleased_orders
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.keys import sale_keys
from seckill.line.line import Line

log = structlog.get_logger(__name__)


def run_audit(line: Line, sale_id: int, *, by: Audit.By) -> Audit:
    """Audit a sale; what was found becomes its last audit, and what is wrong is logged.

    Raises redis.RedisError when Redis does not answer; that is written down too.
    """
    found = Audit(sale_id=sale_id, at=timezone.now(), by=by, **_db_totals(sale_id))
    try:
        found.result = _compare(line, found)
    except RedisError:
        found.result = Audit.Result.UNREACHABLE
        _save(found)
        raise
    _save(found)
    return found


class _Ledger(TypedDict):
    stock: int
    sold: int
    active_orders: int  #: orders that hold a unit


def _db_totals(sale_id: int) -> _Ledger:
    """What has to agree whatever the line says.

    Orders and ``sold`` move in one transaction, and one statement sees one moment: nobody has to wait while it counts.
    """
    active_orders = Count("orders", filter=Q(orders__status__in=ACTIVE_STATUSES))
    return Sale.objects.annotate(active_orders=active_orders).values("stock", "sold", "active_orders").get(pk=sale_id)


def _compare(line: Line, found: Audit) -> Audit.Result:
    """The line beside the ledger; the numbers go into the audit."""
    with transaction.atomic():
        # Holds settlement and releases still while we count.
        sale = Sale.objects.select_for_update().get(pk=found.sale_id)
        seen = line.run(commands.snapshot(sale.pk, lease_seconds=settings.RESERVATION_LEASE_SECONDS))
        if seen is None:
            return Audit.Result.UNKNOWN
        found.epoch, found.reserved_units, found.redis_stock = seen.epoch, seen.reserved_units, seen.stock
        if seen.reserved_units:
            return Audit.Result.BUSY
        found.pending_release = unreleased_orders().filter(sale=sale).count()
        found.db_stock = sale.stock - sale.sold - found.pending_release
        found.outcomes = line.client.hlen(sale_keys(sale.pk).outcomes)
        found.orders = Order.objects.filter(sale=sale).count()
    agrees = (found.redis_stock, found.outcomes) == (found.db_stock, found.orders)
    return Audit.Result.AGREES if agrees else Audit.Result.DRIFT


def _save(found: Audit) -> None:
    """Judge the ledger by itself, keep the audit as the sale's last one, and say what is wrong."""
    if found.sold != found.active_orders or found.sold > found.stock:
        # Whatever the line says: every line built from this ledger would be wrong too.
        found.result = Audit.Result.CONTRADICTION
        log.error(
            "ledger_contradicts_itself",
            sale=found.sale_id,
            stock=found.stock,
            sold=found.sold,
            active_orders=found.active_orders,
        )
    elif found.result == Audit.Result.DRIFT:
        log.error(
            "drift",
            sale=found.sale_id,
            epoch=found.epoch,
            redis_stock=found.redis_stock,
            db_stock=found.db_stock,
            outcomes=found.outcomes,
            orders=found.orders,
        )
    fields = [field.name for field in Audit._meta.concrete_fields if not field.primary_key]  # noqa: SLF001 (a documented API)
    # Two who audit a sale for the first time at once must both succeed.
    Audit.objects.bulk_create([found], update_conflicts=True, unique_fields=["sale"], update_fields=fields)
