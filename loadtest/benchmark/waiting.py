"""Measure how long buyers wait: in an open loop, beside a busy Django, and the memory of connections."""

import math
import os
import time
from functools import partial
from itertools import count
from pathlib import Path

from loadtest.benchmark import wrk
from loadtest.benchmark.accepting import FLASH_STOCK, MANY, VERY_MANY
from loadtest.benchmark.connection import request
from loadtest.benchmark.costs import costs
from loadtest.benchmark.generator import GeneratorError, pace, running
from loadtest.benchmark.open_files import can_open
from loadtest.benchmark.pacer import RAMP_SECONDS, Answers, percentile_ms
from loadtest.benchmark.result import Findings, Reading
from loadtest.benchmark.side import Side

LOAD = 0.7  #: share of the maximum throughput
MOST_SECONDS = 2.0
GUESS_A_SECOND = 100_000  #: upper bound of purchases from the generator, on any machine
SYNCS, SYNCED_BYTES = 200, 4096
LOW_RATE = 200  #: purchases a second, which leave the shop nearly idle
PAGES_A_SECOND, LOG_INS_A_SECOND = 50, 20
BUSY_CONNECTIONS = 64  #: connections that load pages, and connections that log in
ACCEPTED = "202"
_page = count(1)


def paced(side: Side, seconds: int) -> Findings:
    """Open loop at 70 % of the generator's maximum throughput. p99 counts from the moment each request was due."""
    shop = side.line
    sales = shop.new_sales(2, stock=FLASH_STOCK)
    file = side.purchase_requests(sales[0], int(MOST_SECONDS * GUESS_A_SECOND))
    most = pace(shop.shop.port, rate=0, seconds=MOST_SECONDS, connections=wrk.CONNECTIONS, requests=file).per_second
    rate = LOAD * most
    file = side.purchase_requests(sales[1], math.ceil(rate * (RAMP_SECONDS + seconds)) + wrk.CONNECTIONS)
    shop.await_rest()
    disk = _disk_p99_ms(side.file("disk"))
    before = shop.meters()
    answers = pace(shop.shop.port, rate=rate, seconds=seconds, connections=wrk.CONNECTIONS, requests=file)
    shop.await_rest()
    spent = costs(before, shop.meters(), answers.sent)
    shop.retire(sales)
    found = Findings({"paced": Reading(answers.per_second, answers.p99_ms, _failed(answers), spent)})
    found.figures.update({"paced_most": most, "disk_p99": disk})
    if answers.p99_ms:
        found.figures["paced_p99"] = answers.p99_ms
    return found


def busy(side: Side, seconds: int) -> Findings:
    """Purchases at a low rate, first alone, then while pages are rendered and buyers log in."""
    shop = side.line
    accounts = side.accounts()
    sales = shop.new_sales(2, stock=FLASH_STOCK)
    purchases = math.ceil(LOW_RATE * (RAMP_SECONDS + seconds)) + wrk.CONNECTIONS
    files = [side.purchase_requests(sale, purchases, f"slow{sale}-") for sale in sales]
    buy = partial(pace, shop.shop.port, rate=LOW_RATE, seconds=seconds, connections=wrk.CONNECTIONS)
    idle = buy(requests=files[0])
    pages = [request("GET", f"/login/?x={next(_page)}") for _ in range(PAGES_A_SECOND * (seconds + 3))]
    credentials = [accounts[each % len(accounts)].credentials() for each in range(LOG_INS_A_SECOND * (seconds + 3))]
    log_ins = [request("POST", "/api/auth/login", body=body) for body in credentials]
    others = (shop.shop.port, PAGES_A_SECOND, seconds + 1, BUSY_CONNECTIONS, side.requests_file(pages, "pages"))
    people = (shop.shop.port, LOG_INS_A_SECOND, seconds + 1, BUSY_CONNECTIONS, side.requests_file(log_ins, "log-ins"))
    with running("pacer", *others), running("pacer", *people):
        time.sleep(1)  # until they have started
        before = shop.meters()
        while_busy = buy(requests=files[1])
        spent = costs(before, shop.meters(), while_busy.sent)
    shop.await_idle()
    shop.await_rest()
    shop.retire(sales)
    failed = _failed(idle) + _failed(while_busy)
    found = Findings({"busy": Reading(while_busy.per_second, while_busy.p99_ms, failed, spent)})
    if idle.p99_ms and while_busy.p99_ms:
        times = while_busy.p99_ms / idle.p99_ms
        found.figures.update({"idle_p99": idle.p99_ms, "busy_p99": while_busy.p99_ms, "busy_times": times})
    return found


def memory(side: Side, seconds: int) -> Findings:  # noqa: ARG001 (as all measurements)
    """Memory per connection in the web processes: the difference between 1,000 and 10,000 connections."""
    if not can_open(VERY_MANY):
        return Findings()
    shop = side.line
    held: dict[int, int] = {}
    for number in (MANY, VERY_MANY):
        with running("hold", shop.shop.port, number) as process:
            assert process.stdout is not None  # noqa: S101 (for the type checker: it is a pipe)
            told = process.stdout.readline().strip()
            if told != "held":
                raise GeneratorError(f"{number:,} connections: {told or 'the generator broke off'}")
            held[number] = shop.web_memory()
    return Findings(figures={"kib_connection": (held[VERY_MANY] - held[MANY]) / (VERY_MANY - MANY) / 1024})


def _disk_p99_ms(file: Path) -> float:
    """Return the 99th percentile of a small append followed by fsync, in milliseconds."""
    waits = []
    with file.open("ab") as log:
        for _ in range(SYNCS):
            started = time.monotonic()
            log.write(bytes(SYNCED_BYTES))
            log.flush()
            os.fdatasync(log.fileno())
            waits.append(time.monotonic() - started)
    found = percentile_ms(waits, 0.99)
    assert found is not None  # noqa: S101 (for the type checker: there are some)
    return found


def _failed(answers: Answers) -> int:
    return sum(many for status, many in answers.statuses.items() if status != ACCEPTED)
