"""Measure settlement: the line is filled while the worker is stopped."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from devtools.waiting import wait_until
from loadtest.benchmark.costs import costs
from loadtest.benchmark.generator import generate
from loadtest.benchmark.result import Findings, Reading
from loadtest.benchmark.shop import SETTLE_SECONDS_MAX, MeasuredShop
from loadtest.benchmark.side import Side

ORDERS_OF_A_SECOND = 10_000  #: line length per second that a measurement may take
READY_ORDERS = 200
RINGS, RING_PAUSE_SECONDS = 6, 0.05
CONCURRENCY = "--concurrency"


def settle(side: Side, seconds: int) -> Findings:
    """Settle with one worker process, then with two."""
    found = Findings()
    with _workers(side.line) as restart:
        for row, processes in (("settle", 1), ("settle_two", 2)):
            restart(processes)
            found.readings[row] = _settle(side, side.line, seconds * ORDERS_OF_A_SECOND)
    return found


def settle_sqlite(side: Side, seconds: int) -> Findings:
    """Settle with one worker process on SQLite."""
    shop = side.shops["sqlite"]
    with _workers(shop) as restart:
        restart(1)
        return Findings({"settle_sqlite": _settle(side, shop, seconds * ORDERS_OF_A_SECOND)})


@contextmanager
def _workers(shop: MeasuredShop) -> Iterator[Callable[[int], None]]:
    """Yield a function that restarts the shop's worker with a number of processes.

    The original number is restored afterwards.
    """
    usual = shop.shop.parts["worker"]
    yield lambda processes: shop.shop.restart_as("worker", with_processes(usual, processes))
    shop.shop.restart_as("worker", usual)


def _settle(side: Side, shop: MeasuredShop, orders: int) -> Reading:
    """Fill the line while the worker is stopped, then measure the orders it writes per second."""
    ready, sale = (shop.new_sale(stock=stock) for stock in (READY_ORDERS, orders))
    _fill(side, shop, ready, READY_ORDERS)
    wait_until("the worker works", lambda: shop.sold(ready) == READY_ORDERS)
    shop.await_rest()
    worker = shop.shop.processes["worker"].pid
    os.killpg(worker, signal.SIGSTOP)
    try:
        _fill(side, shop, sale, orders)
        before = shop.meters()
    finally:
        os.killpg(worker, signal.SIGCONT)
    wait_until("all have orders", lambda: shop.sold(sale) == orders, SETTLE_SECONDS_MAX)
    shop.await_rest()
    found = Reading(orders_per_second(shop.commits(sale)), None, 0, costs(before, shop.meters(), orders))
    shop.retire([ready, sale])
    return found


def _fill(side: Side, shop: MeasuredShop, sale: int, count: int) -> None:
    """Fill the line.

    The last buyers join over HTTP, one after the other, so that the gate rings a doorbell for each.
    """
    shop.join(sale, count - RINGS, "early")
    file = side.file("ringing")
    for buyer_pass in shop.passes(sale, RINGS, "ringing"):
        file.write_text(f"{buyer_pass}\n", encoding="ascii")
        generate("buy_once", shop.shop.port, sale, file)
        time.sleep(RING_PAUSE_SECONDS)  # buyers who join within this interval share a doorbell


def with_processes(arguments: Sequence[str], processes: int) -> list[str]:
    """Return a worker's arguments with this number of processes."""
    before = arguments.index(CONCURRENCY)
    return [*arguments[: before + 1], str(processes), *arguments[before + 2 :]]


def orders_per_second(commits: Sequence[tuple[str, int]]) -> float:
    """Return the rate from the first transaction to the last. The first one's orders and its time are left out.

    An order carries the time at which its transaction began to write.
    """
    if not commits:
        return 0.0
    first, last = (datetime.fromisoformat(moment) for moment in (commits[0][0], commits[-1][0]))
    span = (last - first).total_seconds()
    return sum(count for _, count in commits[1:]) / span if span else 0.0
