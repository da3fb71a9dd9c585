"""Soak: a quarter of an hour at half of the maximum rate (SOAK_MINUTES) on each broker"""

import itertools
import os
import statistics
import threading
import time
from collections import defaultdict
from typing import Self

import psutil
import pytest

from devtools.embedded.shop import PROCESSES
from devtools.waiting import wait_until
from seckill.line.passes import Pass
from tests.faults.conftest import OpenShop
from tests.faults.load import Load
from tests.faults.shop import DAY_MS, FaultyShop
from tests.rabbitmq import Rabbit

MINUTES = float(os.environ.get("SOAK_MINUTES", "15"))
MEASURE_SECONDS = 10
SAMPLE_SECONDS = 10
WARM_UP = 1 / 3  # share of the samples left out: caches and pools fill
MIB = 2**20
GROWTH_MIB_MAX = 8  # per process once warm; a leak of 100 bytes per purchase is far more
BYTES_PER_PURCHASE_MAX = 250
UNITS = 10_000_000


class Watch:
    """Samples memory, connections and channels of a running shop in a thread."""

    def __init__(self, shop: FaultyShop, rabbit: Rabbit | None) -> None:
        self.seconds: list[float] = []
        self.memory: dict[str, list[float]] = defaultdict(list)  #: resident MiB of each process, by name
        self.connections: dict[str, list[int]] = defaultdict(list)  #: to each server, and RabbitMQ's channels
        self._shop = shop
        self._rabbit = rabbit
        self._processes = {
            f"{name} {number}": psutil.Process(pid)
            for name in shop.parts
            for number, pid in enumerate([shop.processes[name].pid, *shop.children(name)])
        }
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        began = time.monotonic()
        with self._shop.line() as line:
            while not self._over.wait(SAMPLE_SECONDS):
                self.seconds.append(time.monotonic() - began)
                for name, process in self._processes.items():
                    # Resident, not unique, memory: a page that forked processes stop sharing is not a leak in either.
                    self.memory[name].append(process.memory_info().rss / MIB)
                    self.connections[f"{name} files"].append(process.num_fds())
                self.connections["valkey"].append(int(line.info("clients")["connected_clients"]))
                ((backends,),) = self._shop.sql(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                )
                self.connections["postgres"].append(backends)
                if self._rabbit is not None:
                    channels = channels_of_connections(self._rabbit)
                    self.connections["rabbitmq"].append(len(channels))
                    self.connections["rabbitmq channels"].append(sum(channels))

    def growth_mib(self) -> dict[str, float]:
        """Return the growth of each process since it is warm, by a linear fit of its samples."""
        seconds = self.seconds[int(len(self.seconds) * WARM_UP) :]
        lasted = seconds[-1] - seconds[0]
        return {
            name: round(statistics.linear_regression(seconds, memory[-len(seconds) :]).slope * lasted, 2)
            for name, memory in self.memory.items()
        }

    def connections_from_to(self) -> dict[str, tuple[float, float]]:
        """Return the median number of connections in the first and in the last third of the warm time."""
        warm = int(len(self.seconds) * WARM_UP)
        third = max(1, (len(self.seconds) - warm) // 3)
        return {
            name: (statistics.median(counts[warm : warm + third]), statistics.median(counts[-third:]))
            for name, counts in self.connections.items()
        }


def channels_of_connections(rabbit: Rabbit) -> list[int]:
    """Return the number of open channels of each connection."""
    return [int(line) for line in rabbit.control("list_connections", "channels").stdout.splitlines()[1:]]


@pytest.mark.thorough
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_memory_connections_and_channels_stay_flat(
    broker: str, open_shop: OpenShop, request: pytest.FixtureRequest
) -> None:
    rabbit: Rabbit | None = request.getfixturevalue("rabbit") if broker == "rabbitmq" else None
    shop = open_shop(parts=PROCESSES, environment={"CELERY_BROKER_URL": rabbit.url} if rabbit else {})
    sale = shop.new_sale(stock=UNITS)
    # The orders stay unpaid. With the default time to pay they would expire before the soak ends.
    shop.sql(f"UPDATE catalog_sale SET line_limit = {UNITS}, pay_within_seconds = {DAY_MS // 1000:d} WHERE id = {sale}")
    now_ms = int(time.time() * 1000)
    tokens = (Pass(sale, f"fan-{n}", now_ms - DAY_MS, now_ms + DAY_MS).sign() for n in itertools.count())
    load = Load(shop.port, sale, tokens)
    maximum = load.run(MEASURE_SECONDS)
    with shop.line() as line:
        used_before, accepted_before = line.info("memory")["used_memory"], load.statuses[202]
        with Watch(shop, rabbit) as watch:
            rate = load.run(MINUTES * 60, per_second=maximum / 2)
        used = line.info("memory")["used_memory"] - used_before
    accepted = load.statuses[202]
    growth, connections = watch.growth_mib(), watch.connections_from_to()
    print(f"{maximum:.0f}/s at most; {rate:.0f}/s for {MINUTES:g} min: {load.statuses}")
    print(f"MiB: {growth}\nconnections, from and to: {connections}")
    print({name: (round(memory[0], 1), round(memory[-1], 1)) for name, memory in watch.memory.items()})
    said = f"{accepted:,} purchases in {MINUTES:g} min, {rate:.0f} a second: most growth {max(growth.values())} MiB"
    request.node.user_properties.append(("case", said))

    assert set(load.statuses) == {200, 202}
    assert max(growth.values()) < GROWTH_MIB_MAX, growth
    assert used / (accepted - accepted_before) < BYTES_PER_PURCHASE_MAX
    assert [name for name, (first, last) in connections.items() if last > first + 2] == []
    wait_until("every order is written", lambda: shop.books(sale)["sold"] == accepted)
    untold = f"SELECT count(*) FROM orders_event WHERE sale_id = {sale} AND published_at IS NULL"
    wait_until("every order is told", lambda: shop.sql(untold) == [(0,)])
    assert shop.books(sale) == {
        "stock": UNITS, "sold": accepted, "active_orders": accepted, "left": UNITS - accepted, "reservations": 0,
    }  # fmt: skip
