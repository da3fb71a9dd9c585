"""Settlement: reserve the next places in line, write their orders, confirm the reservation."""

import time
from contextlib import closing
from uuid import uuid4

import structlog
from django.conf import settings
from django.db import connection

from orders.downstream import ConcurrencyLimiter
from orders.ledger import write_orders
from orders.models import Order
from orders.reconciliation import rebuild_line
from seckill.line import commands
from seckill.line.line import Line

log = structlog.get_logger(__name__)

SETTLE_SECONDS_MAX = 20
RESERVATIONS_PER_LINE = 8
POLL_SECONDS_MIN, POLL_SECONDS_MAX = 0.01, 0.2


def settle(line: Line, sale_id: int, upto: int) -> int:
    """Settle the places of a sale up to ``upto``, as far as the stock allows. Return the number of settled places.

    Safe to call at any time, from any number of workers, and again after a crash: one worker at a time reserves a
    place, and the ledger accepts each buyer and each place once.

    Returns after `SETTLE_SECONDS_MAX` even if buyers still wait, before the task counts as stuck; the sweeper rings
    the doorbell again.

    Raises:
        SaleNotLoadedError: the sale is not loaded; the sweeper rebuilds the line.
        redis.RedisError, django.db.OperationalError: a server is unreachable. Reserved places stay reserved until
            another worker takes them over.
    """
    settled, chunk = 0, settings.SETTLE_CHUNK
    stop_at = time.monotonic() + SETTLE_SECONDS_MAX
    while time.monotonic() < stop_at:
        connection.ensure_connection()  # fail before reserving if the database is unreachable
        with closing(ConcurrencyLimiter(chunk)) as limiter:
            reservation = line.run(
                commands.reserve(
                    sale_id,
                    uuid4().hex,
                    upto=upto,
                    chunk=limiter.count,
                )
            )
            if reservation is None:
                break
            limiter.call_downstream([buyer for _, buyer in reservation.places])
        decided = write_orders(reservation)
        if len(decided) < len(reservation.places):
            log.error("ledger_refused", sale=sale_id, reserved=len(reservation.places), written=len(decided))
            rebuild_line(line, sale_id, broken_epoch=reservation.epoch)
            break
        line.run(commands.confirm(reservation, decided))
        settled += len(decided)
        log.info(
            "settled",
            sale=sale_id,
            places=f"{reservation.places[0][0]}-{reservation.places[-1][0]}",
            orders=len(decided),
        )
        chunk = _chunk_for(upto - reservation.places[-1][0])
    return settled


def _chunk_for(waiting: int) -> int:
    """Return how many places to reserve: a fraction of those waiting, so that other workers get places too."""
    return max(settings.SETTLE_CHUNK, min(waiting // RESERVATIONS_PER_LINE, settings.SETTLE_CHUNK_MAX))


def settle_and_wait(line: Line, sale_id: int, buyer: str, place: int) -> Order | None:
    """Settle one buyer's place and wait for the order. Return None if the stock runs out before the place.

    Another request may already hold a reservation with this place, because a request reserves all places up to its own.
    Then wait for that request's order; if its lease expires, settle the place here.

    Raises:
        TimeoutError: the order was not written within two leases, although a unit is left.
        SaleNotLoadedError, redis.RedisError, django.db.OperationalError: as `settle`.
    """
    give_up_at = time.monotonic() + settings.RESERVATION_LEASE_SECONDS * 2
    pause_seconds = POLL_SECONDS_MIN
    settle(line, sale_id, place)
    while not line.outcome(sale_id, buyer):
        seen = line.run(commands.snapshot(sale_id))
        if seen is None or seen.expired_reservations or (place > seen.pointer and seen.stock > 0):
            settle(line, sale_id, place)
        elif place > seen.pointer:
            return None
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"place {place} of sale {sale_id} is still undecided")
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, POLL_SECONDS_MAX)
    return Order.objects.select_related("sale__product").get(sale=sale_id, buyer=buyer)
