"""Reconciliation: compare the line in Redis with the ledger, and rebuild it where they differ. The ledger is right."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orders.audit import run_audit
from orders.models import Audit, Order, unreleased_orders
from orders.outcomes import outcome_of
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.line import Line
from seckill.timestamps import to_epoch_ms

log = structlog.get_logger(__name__)
T = TypeVar("T")

ENDED_SALE_TTL_SECONDS = 7 * 86_400  # how long the tickets of an ended sale still answer


def redis_config(sale: Sale) -> commands.SaleConfig:
    """What Redis needs to know of a sale's row."""
    return commands.SaleConfig(
        stock_total=sale.stock,
        opens_ms=to_epoch_ms(sale.opens_at),
        closes_ms=to_epoch_ms(sale.closes_at),
        status=sale.status,
        line_limit=sale.line_limit,
    )


def sync_sale_to_redis(line: Line, sale: Sale) -> None:
    """Make the line follow a sale's row: load it if Redis does not know it, else take over what changed."""
    try:
        line.run(commands.configure(sale.pk, redis_config(sale)))
    except commands.SaleNotLoadedError:
        rebuild_line(line, sale.pk, broken_epoch=None)


def rebuild_line(line: Line, sale_id: int, *, broken_epoch: int | None) -> None:
    """Build a sale's line from the ledger, in a new epoch.

    ``broken_epoch`` is the epoch found wrong, None when Redis did not know the sale; if somebody else has rebuilt it
    meanwhile, nothing happens. Buyers still in line keep their places. If the line or the end of it may be lost, nobody
    is admitted or settled for ``REJOIN_SECONDS``, so that the holders of tickets come back in their old order first.

    The sale's row is locked meanwhile: no order is written between reading the ledger and opening the new epoch. The
    epoch is taken in a transaction of its own before: were it given out again after a crash, tickets of two lines would
    look alike.
    """
    with transaction.atomic():
        sale = Sale.objects.select_for_update().get(pk=sale_id)
        seen = line.run(commands.snapshot(sale_id, lease_seconds=settings.RESERVATION_LEASE_SECONDS))
        if seen is not None and seen.epoch != broken_epoch:
            return
        epoch = sale.epoch + 1
        Sale.objects.filter(pk=sale_id).update(epoch=epoch)
    with transaction.atomic():
        sale = Sale.objects.select_for_update().get(pk=sale_id)
        if sale.epoch != epoch:
            return  # somebody else has begun after us
        server = line.server_run_id_if_volatile()
        lost = line.invalidate(sale_id) or (seen is None and server != "")
        # A line that was never loaded, or whose sale opens later, is empty because nobody has come yet.
        line_lost = lost and epoch > 1 and sale.opens_at <= timezone.now()
        decided = 0  # every place up to it has an order
        for orders in _chunks(Order.objects.filter(sale=sale).order_by("place").iterator(), commands.RESTORE_CHUNK):
            line.run(commands.restore(sale_id, [(order.place, order.buyer, outcome_of(order)) for order in orders]))
            for order in orders:
                if order.place == decided + 1:
                    decided = order.place
        line.run(
            commands.rebuild(
                sale_id,
                redis_config(sale),
                epoch=epoch,
                stock=sale.stock - sale.sold,
                pointer=decided,
                rejoin_seconds=settings.REJOIN_SECONDS if line_lost and sale.ended_at is None else 0,
                ended_ms=to_epoch_ms(sale.ended_at) if sale.ended_at else 0,
                server=server,
            )
        )
        if sale.ended_at:
            line.expire_after(sale_id, ENDED_SALE_TTL_SECONDS)
        # The stock counted above has the units of cancelled and expired orders already: they are not on their way now.
        unreleased_orders().filter(sale=sale).update(released_at=timezone.now())
    log.warning("line_rebuilt", sale=sale_id, epoch=epoch, line_lost=line_lost, stock=sale.stock - sale.sold)


def reconcile(line: Line, sale_id: int, *, by: Audit.By) -> Audit:
    """Audit a sale, and rebuild its line if that differs from the ledger or Redis does not know the sale.

    A ledger that contradicts itself is left alone: somebody has to find out first what was sold. Raises
    redis.RedisError.
    """
    found = run_audit(line, sale_id, by=by)
    if found.result in {Audit.Result.DRIFT, Audit.Result.UNKNOWN}:
        rebuild_line(line, sale_id, broken_epoch=found.epoch)
        found.repaired = True
        found.save(update_fields=["repaired"])
    return found


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
