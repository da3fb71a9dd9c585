"""One round of the bench: every row measured once, one after the other."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from loadtest.benchmark import wrk
from loadtest.benchmark.costs import Costs, costs
from loadtest.benchmark.result import Reading
from loadtest.benchmark.stage import SETTLE_SECONDS_MAX, MeasuredShop, write_passes
from loadtest.systems import LINE, NAIVE, SYNC, System
from seckill.embedded.shop import WEB, await_that
from seckill.line import verbs
from seckill.line.line import Line
from seckill.line.tickets import Ticket

FLASH_STOCK = 100
ENDLESS_STOCK = 10_000_000
TICKETS = 1000  #: of each kind that are polled
SPARE = 1.2  #: more passes than the ceiling could use

CONSTANT = System(
    name="constant",
    sentence="The same bytes for every request, from the web server that the line runs on.",
    parts={"web": (*WEB[:-1], "loadtest.constant:application")},
    slow_parts={},
    has_line=False,
)
SYSTEMS = (CONSTANT, LINE, SYNC, NAIVE)
Commits = Sequence[tuple[datetime, int]]


class Round:
    """Measures the rows; make the tickets once, and rounds as often as wanted."""

    def __init__(self, shops: Mapping[str, MeasuredShop], directory: Path) -> None:
        self._constant, self._line, self._sync, self._naive = (shops[system.name] for system in SYSTEMS)
        self._passes = directory / "passes"
        self._waiting, self._decided = directory / "waiting", directory / "decided"
        self._ceiling = 0.0

    def make_tickets(self) -> None:
        """A sale with a thousand winners and a thousand on its waitlist, and files of their tickets."""
        sale = self._line.new_sale(stock=TICKETS)
        buyers = [f"b{number}" for number in range(1, 2 * TICKETS + 1)]
        join(self._line, sale, buyers)
        await_that("the winners have orders", lambda: self._line.decided(sale) == TICKETS)
        self._line.await_rest()
        tickets = [Ticket(sale, place, buyer, 1).sign() for place, buyer in enumerate(buyers, start=1)]
        for file, part, expected in (
            (self._decided, tickets[:TICKETS], "confirmed"),
            (self._waiting, tickets[TICKETS:], "waitlisted"),
        ):
            file.write_text("\n".join(part) + "\n", encoding="ascii")
            for ticket in (part[0], part[-1]):
                status = self._line.shop.get(f"/api/tickets/{ticket}").get("status")
                if status != expected:
                    raise RuntimeError(f"a ticket that should be {expected} is {status}")

    def measure(self, *, seconds: int, orders: int) -> Iterator[tuple[str, Reading]]:
        """Name and reading of one row after the other; ``orders`` is how many are settled."""
        constant = self._poll(self._constant, self._waiting, seconds)
        self._ceiling = constant.per_second
        yield "constant", constant
        yield "accept", self._purchase(self._line, "purchase", FLASH_STOCK, seconds)[0]
        yield "poll_waiting", self._poll(self._line, self._waiting, seconds)
        yield "poll_decided", self._poll(self._line, self._decided, seconds)
        yield "banners", self._get(self._line, "/api/banners/", seconds)
        yield "sale_page", self._get(self._line, "/sales/1/", seconds)
        yield "sync", self._purchase(self._sync, "purchase/sync", ENDLESS_STOCK, seconds)[0]
        accept, completed = self._purchase(self._naive, "purchase", ENDLESS_STOCK, seconds)
        yield "naive_accept", accept
        yield "naive_orders", completed
        yield "settle", self._settle(orders)

    def _poll(self, shop: MeasuredShop, tickets: Path, seconds: int) -> Reading:
        before = shop.meters()
        answers = wrk.run(shop.shop.address, seconds=seconds, script="poll.lua", arguments=(tickets,))
        return reading(answers, costs(before, shop.meters(), answers.requests))

    def _get(self, shop: MeasuredShop, path: str, seconds: int) -> Reading:
        before = shop.meters()
        answers = wrk.run(f"{shop.shop.address}{path}", seconds=seconds)
        return reading(answers, costs(before, shop.meters(), answers.requests))

    def _purchase(self, shop: MeasuredShop, path: str, stock: int, seconds: int) -> tuple[Reading, Reading]:
        """Everybody buys once in a new sale: how fast were they accepted, and how fast were orders written?

        The costs are those of everything that the purchases led to, up to the last order.
        """
        sale = shop.new_sale(stock=stock)
        count = int(self._ceiling * seconds * SPARE)
        write_passes(self._passes, sale=sale, count=count, shares=wrk.THREADS)
        before = shop.meters()
        answers = wrk.run(
            f"{shop.shop.address}/api/sales/{sale}/{path}",
            seconds=seconds,
            script="purchase.lua",
            arguments=(self._passes,),
        )
        shop.await_rest()
        purchases = shop.purchases(sale)
        check_count(answers, purchases)
        spent = costs(before, shop.meters(), purchases)
        return reading(answers, spent), Reading(orders_per_second(commits_of(shop, sale)), None, 0, spent)

    def _settle(self, orders: int) -> Reading:
        """So many buyers stand in line when the worker wakes up: how fast does it write their orders?"""
        shop = self._line
        sale = shop.new_sale(stock=orders)
        worker = shop.shop.processes["worker"].pid
        os.killpg(worker, signal.SIGSTOP)
        try:
            join(shop, sale, [f"b{number}" for number in range(1, orders + 1)])
            before = shop.meters()
        finally:
            os.killpg(worker, signal.SIGCONT)
        await_that("all have orders", lambda: shop.decided(sale) == orders, SETTLE_SECONDS_MAX)
        shop.await_rest()
        return Reading(orders_per_second(commits_of(shop, sale)), None, 0, costs(before, shop.meters(), orders))


def join(shop: MeasuredShop, sale: int, buyers: Sequence[str]) -> None:
    """Give the buyers places, past the web processes."""
    line = Line(shop.redis)
    for start in range(0, len(buyers), verbs.ADMIT_GROUP_MAX):
        line.run(verbs.admit(sale, buyers[start : start + verbs.ADMIT_GROUP_MAX]))


def check_count(answers: wrk.Answers, purchases: int) -> None:
    """The shop has what was answered, and what was under way when wrk left. Raises WrkError if not."""
    if not answers.failed and not answers.requests <= purchases <= answers.requests + wrk.CONNECTIONS:
        raise wrk.WrkError(f"{answers.requests:,} purchases were answered, and the shop has {purchases:,}.")


def reading(answers: wrk.Answers, spent: Costs) -> Reading:
    """What wrk saw and what it cost."""
    return Reading(answers.per_second, answers.p99_ms, answers.failed, spent)


def commits_of(shop: MeasuredShop, sale: int) -> Commits:
    """When orders of a sale were written, and how many at that moment, ascending."""
    rows = shop.shop.sql(
        f"SELECT created_at, count(*) FROM orders_order WHERE sale_id = {sale:d} GROUP BY created_at ORDER BY 1"  # noqa: S608 (a number)
    )
    return [(datetime.fromisoformat(str(moment)), count) for moment, count in rows]  # SQLite gives text


def orders_per_second(commits: Commits) -> float:
    """From the first transaction to the last one; the first one's orders are left out, since its time is too.

    An order carries the moment its transaction began to write.
    """
    span = (commits[-1][0] - commits[0][0]).total_seconds() if commits else 0.0
    return sum(count for _, count in commits[1:]) / span if span else 0.0
