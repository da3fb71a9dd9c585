"""Audit: compare a sale's line with the ledger, and the ledger with itself. An audit repairs nothing."""

from typing import TypedDict

import structlog
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
    """Audit a sale, store the result as the sale's last audit, and log inconsistencies.

    Raises:
        redis.RedisError: Redis does not answer. The audit is stored as ``UNREACHABLE`` first.
    """
    found = Audit(sale_id=sale_id, audited_at=timezone.now(), triggered_by=by, **_db_totals(sale_id))
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
    """Return the totals that must agree within the ledger, independent of Redis.

    Orders and ``sold`` change in the same transaction, and one statement reads one snapshot, so no lock is needed.
    """
    active_orders = Count("orders", filter=Q(orders__status__in=ACTIVE_STATUSES))
    return Sale.objects.annotate(active_orders=active_orders).values("stock", "sold", "active_orders").get(pk=sale_id)


def _compare(line: Line, found: Audit) -> Audit.Result:
    """Compare the line with the ledger and store the numbers in ``found``."""
    with transaction.atomic():
        # The lock blocks settlement and releases during the comparison.
        sale = Sale.objects.select_for_update().get(pk=found.sale_id)
        seen = line.run(commands.snapshot(sale.pk))
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
    """Check the ledger against itself, log inconsistencies, and store the audit as the sale's last one."""
    if found.sold != found.active_orders or found.sold > found.stock:
        # Overrides any result of the comparison: a line rebuilt from this ledger would be wrong too.
        found.result = Audit.Result.CONTRADICTION
        log.error(
            "contradiction_found",
            sale=found.sale_id,
            stock=found.stock,
            sold=found.sold,
            active_orders=found.active_orders,
        )
    elif found.result == Audit.Result.DRIFT:
        log.error(
            "drift_found",
            sale=found.sale_id,
            epoch=found.epoch,
            redis_stock=found.redis_stock,
            db_stock=found.db_stock,
            outcomes=found.outcomes,
            orders=found.orders,
        )
    fields = [field.name for field in Audit._meta.concrete_fields if not field.primary_key]  # noqa: SLF001 (documented)
    # An upsert, so that two concurrent first audits of a sale both succeed.
    Audit.objects.bulk_create([found], update_conflicts=True, unique_fields=["sale"], update_fields=fields)
