"""Shared by the tests of the ledger: join a line, read its state, and run calls concurrently."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import TypeVar
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection, connections

from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from orders.models import Order
from orders.settlement import settle
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.keys import sale_keys
from seckill.line.line import Line
from seckill.line.snapshot import Snapshot

T = TypeVar("T")

ONE_WRITER = pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite knows one writer at a time")


def join(line: Line, sale: Sale, *buyers: str) -> list[int]:
    """Admit the buyers in this order; return their places or reject reasons."""
    return list(line.run(commands.admit(sale.pk, buyers)).places)


def settle_all(line: Line, sale: Sale) -> int:
    """Settle the whole line, as far as the stock allows; return how many places were settled."""
    return settle(line, sale.pk, upto=line.length(sale.pk))


def sell(line: Line, sale: Sale, *buyers: str) -> dict[str, Order]:
    """Admit and settle the buyers; return the sale's orders by buyer."""
    join(line, sale, *buyers)
    settle_all(line, sale)
    return {order.buyer: order for order in Order.objects.filter(sale=sale)}


def reserve_and_die(line: Line, sale: Sale, *, upto: int) -> commands.Reservation:
    """Reserve places as a worker that then dies."""
    reservation = line.run(commands.reserve(sale.pk, uuid4().hex, upto=upto, chunk=500, lease_seconds=3600))
    assert reservation is not None
    return reservation


def snapshot_of(line: Line, sale: Sale) -> Snapshot:
    """Return the snapshot of a loaded sale."""
    snapshot = line.run(commands.snapshot(sale.pk, lease_seconds=settings.RESERVATION_LEASE_SECONDS))
    assert snapshot is not None
    return snapshot


def entries(sale: Sale) -> list[tuple[int, str, str]]:
    """Return (place, buyer, status) of every order of a sale, by place."""
    return list(Order.objects.filter(sale=sale).order_by("place").values_list("place", "buyer", "status"))


def sold(sale: Sale) -> int:
    """Return the units sold by the ledger."""
    return Sale.objects.values_list("sold", flat=True).get(pk=sale.pk)


def in_line(line: Line, sale: Sale) -> list[str]:
    """Return the buyers in line by place; an empty string is a hole."""
    return [str(buyer) for buyer in line.client.lrange(sale_keys(sale.pk).line, 0, -1)]


def add_units_behind_its_back(line: Line, sale: Sale, units: int) -> None:
    """Add units to Redis that the ledger does not have."""
    line.client.incrby(sale_keys(sale.pk).stock, units)


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Run every call in a thread of its own, all released at once; return their results in order."""
    start = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        try:
            start.wait(timeout=WAIT_SECONDS_MAX)
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        running = [pool.submit(run, call) for call in calls]
        return [done.result(timeout=WAIT_SECONDS_MAX) for done in running]


def await_waiter() -> None:
    """Return once another connection waits for a lock of this transaction.

    SQLite cannot tell, so wait a moment there.
    """
    if connection.vendor == "sqlite":
        Event().wait(0.5)
        return

    def somebody_waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))")
            return bool(cursor.fetchone()[0])

    wait_until("somebody waits for this transaction", somebody_waits)
