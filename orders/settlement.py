"""Settlement: take the next places in line, write their orders, confirm them."""

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
RESERVATIONS_OF_A_LINE = 8
POLL_SECONDS_MIN, POLL_SECONDS_MAX = 0.01, 0.2


def settle(line: Line, sale_id: int, upto: int) -> int:
    """Drive the places of a sale up to ``upto`` to their outcome, as far as the stock allows; gives how many.

    May be called at any time, by any number of workers, again after a crash at any point: places are claimed by one
    worker at a time, and the ledger takes each buyer and each place once.

    A long line is left after `SETTLE_SECONDS_MAX`, before a task is taken for stuck; the sweeper rings again.

    Raises:
        SaleNotLoadedError: Redis does not know the sale (yet); the sweeper rebuilds it.
        redis.RedisError, django.db.OperationalError: a server is away; claimed places stay claimed and are taken over.
    """
    settled, chunk = 0, settings.SETTLE_CHUNK
    stop_at = time.monotonic() + SETTLE_SECONDS_MAX
    while time.monotonic() < stop_at:
        connection.ensure_connection()  # a ledger that is away should cost no claim
        with closing(ConcurrencyLimiter(chunk)) as slots:
            reservation = line.run(
                commands.reserve(
                    sale_id,
                    uuid4().hex,
                    upto=upto,
                    chunk=slots.count,
                    lease_seconds=settings.RESERVATION_LEASE_SECONDS,
                )
            )
            if reservation is None:
                break
            slots.call_downstream([buyer for _, buyer in reservation.places])
        decided = write_orders(reservation)
        if len(decided) < len(reservation.places):
            log.error("ledger_refused", sale=sale_id, claimed=len(reservation.places), written=len(decided))
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
    """How many places to reserve when so many wait: a part of them, so that other workers find something to do."""
    return max(settings.SETTLE_CHUNK, min(waiting // RESERVATIONS_OF_A_LINE, settings.SETTLE_CHUNK_MAX))


def settle_and_wait(line: Line, sale_id: int, buyer: str, place: int) -> Order | None:
    """Settle one buyer's place and wait for it; gives the order, None when the stock ends in front of the place.

    The place may be under somebody else's reservation already: a request that came a moment later takes all places up to
    its own. Then its order is on the way, and is waited for until that claim's lease is over and it was our turn.

    Raises:
        TimeoutError: there is a unit for this place, but nobody could write the order.
        SaleNotLoadedError, redis.RedisError, django.db.OperationalError: as `settle`.
    """
    give_up_at = time.monotonic() + settings.RESERVATION_LEASE_SECONDS * 2
    pause_seconds = POLL_SECONDS_MIN
    settle(line, sale_id, place)
    while not line.outcome(sale_id, buyer):
        seen = line.run(commands.snapshot(sale_id, lease_seconds=settings.RESERVATION_LEASE_SECONDS))
        if seen is None or seen.expired_reservations or (place > seen.pointer and seen.stock > 0):
            settle(line, sale_id, place)  # it is our turn
        elif place > seen.pointer:
            return None
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"place {place} of sale {sale_id} is still undecided")
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, POLL_SECONDS_MAX)
    return Order.objects.select_related("sale__product").get(sale=sale_id, buyer=buyer)
