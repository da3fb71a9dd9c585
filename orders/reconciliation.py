"""Reconciliation: compare a line in Redis with the ledger, and rebuild the line if they differ. The ledger wins."""

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

ENDED_SALE_TTL_SECONDS = 7 * 86_400  # how long tickets of an ended sale can be polled


def redis_config(sale: Sale) -> commands.SaleConfig:
    """Return the part of a sale's row that Redis stores."""
    return commands.SaleConfig(
        stock_total=sale.stock,
        opens_ms=to_epoch_ms(sale.opens_at),
        closes_ms=to_epoch_ms(sale.closes_at),
        status=sale.status,
        line_limit=sale.line_limit,
    )


def sync_sale_to_redis(line: Line, sale: Sale) -> None:
    """Copy a sale's configuration to Redis, and load the line if it is not loaded."""
    try:
        line.run(commands.configure(sale.pk, redis_config(sale)))
    except commands.SaleNotLoadedError:
        rebuild_line(line, sale.pk, broken_epoch=None)


def rebuild_line(line: Line, sale_id: int, *, broken_epoch: int | None) -> None:
    """Rebuild a sale's line from the ledger in a new epoch.

    Buyers still in line keep their places. If the line or its end may be lost, admission and settlement pause for
    ``REJOIN_SECONDS``, so that ticket holders rejoin in their old order first.

    The sale's row stays locked, so no order is written between reading the ledger and opening the new epoch. The epoch
    is committed in a separate transaction first: if a crash could reuse it, tickets of two lines would look the same.

    Args:
        line: where the sale's line is.
        sale_id: the sale.
        broken_epoch: the epoch to replace, None if the sale is not loaded. Nothing happens if the line has another
            epoch by now, because then another process has rebuilt it.
    """
    with transaction.atomic():
        sale = Sale.objects.select_for_update().get(pk=sale_id)
        seen = line.run(commands.snapshot(sale_id))
        if seen is not None and seen.epoch != broken_epoch:
            return
        epoch = sale.epoch + 1
        Sale.objects.filter(pk=sale_id).update(epoch=epoch)
    with transaction.atomic():
        sale = Sale.objects.select_for_update().get(pk=sale_id)
        if sale.epoch != epoch:
            return  # a later rebuild has started
        server = line.server_run_id_if_volatile()
        lost = line.invalidate(sale_id) or (seen is None and server != "")
        # An empty line is normal before the first load and before the sale opens.
        line_lost = lost and epoch > 1 and sale.opens_at <= timezone.now()
        decided = 0  # the last place before the first one without an order
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
        # stock - sold already includes cancelled and expired units; releasing them later would add them again.
        unreleased_orders().filter(sale=sale).update(released_at=timezone.now())
    log.warning("line_rebuilt", sale=sale_id, epoch=epoch, line_lost=line_lost, stock=sale.stock - sale.sold)


def reconcile(line: Line, sale_id: int, *, by: Audit.By) -> Audit:
    """Audit a sale, and rebuild its line if the line differs from the ledger or is not loaded.

    A ledger that contradicts itself is not repaired: an operator must find out what was sold.

    Raises:
        redis.RedisError: Redis does not answer.
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
