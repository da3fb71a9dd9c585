"""A rush: one system in one scenario, from the crowd's arrival to the audit."""

import contextlib
import csv
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import redis

from devtools.embedded.child import Child
from devtools.embedded.shop import PROJECT, Seed, Shop
from devtools.waiting import wait_until
from loadtest.comparison.audit import HOLDS_A_UNIT, ask_again, audit
from loadtest.comparison.result import Latency, Run
from loadtest.comparison.scenarios import Scenario
from loadtest.crowd.purchase import Purchase, read_purchases
from loadtest.crowd.visit import read_visits
from loadtest.systems import SLOW_CALLS, System
from seckill.line.keys import sale_keys

ARRIVE_SECONDS_MAX = 120
LEAD_SECONDS = 4.0  #: between setting the opening time and the opening; every process must read it in time
PATIENCE_SECONDS = 45  #: after this a buyer gives up
RUSH_SECONDS_MAX = 5 * PATIENCE_SECONDS  #: after this a crowd is through, unless Locust hangs
SETTLE_SECONDS_MAX = 180
SAMPLE_SECONDS = 0.25
SPAWNED_PER_SECOND = 1000
#: Locust uses half of the cores. Below four cores it shares them with the servers, and a second process does not help.
PROCESSES = max(1, (os.cpu_count() or 1) // 2)

Tell = Callable[[str], None]


class Rush:
    """One run. ``tell`` is called with short progress messages."""

    def __init__(self, system: System, scenario: Scenario, seed: Seed, directory: Path, tell: Tell) -> None:
        self.system = system
        self.scenario = scenario
        self._directory = directory
        self._records = directory / "records"
        self._tell = tell
        parts = dict(system.parts)
        environment = {"LOG_LEVEL": "WARNING", **system.environment}
        if scenario.work_seconds:
            parts |= system.slow_parts
            environment["DOWNSTREAM_DELAY_SECONDS"] = str(scenario.work_seconds)
            environment["DOWNSTREAM_MAX_CONCURRENCY"] = str(SLOW_CALLS // system.calling_processes)
        self.shop = Shop(directory, seed, parts, environment, system.valkey_flags)
        self.shop.environment.setdefault("CELERY_RESULT_BACKEND", self.shop.valkey.url(3))
        self._crowd: Child | None = None
        self._opens_at = 0.0  # seconds since 1970
        self._depth: list[tuple[float, int]] = []
        self._computed: list[tuple[float, float]] = []  # (seconds since the opening, CPU seconds of the generator)

    def run(self, during: Callable[[float], None] | None = None) -> Run:
        """Run everything. ``during``, if given, is called every quarter second with the seconds since the opening."""
        try:
            self._tell("starting")
            self._open_shop()
            self._gather()
            self._set_opening()
            self._watch(during)
            self._tell("waiting for the last orders")
            self._settle()
            self._tell("auditing")
            return self._result()
        finally:
            self._close()

    def _open_shop(self) -> None:
        far = datetime.now(UTC) + timedelta(hours=1)
        self.shop.sql(
            f"UPDATE catalog_sale SET line_limit = 2000000, opens_at = '{far:%Y-%m-%d %H:%M:%S.%f}+00:00',"  # noqa: S608 (ours)
            f" closes_at = '{far + timedelta(days=1):%Y-%m-%d %H:%M:%S.%f}+00:00' WHERE id = 1"
        )
        self.shop.open(stock=self.scenario.stock)
        with (self._directory / "passes").open("w", encoding="ascii") as file:
            file.write(self.shop.manage("issue_passes", "1", "--count", str(self.scenario.passes)))

    def _gather(self) -> None:
        """Start Locust and wait until all buyers wait for the opening."""
        scenario = self.scenario
        users = scenario.buyers + scenario.visitors
        command = [
            *(sys.executable, "-m", "locust", "-f", "loadtest/locustfile.py", "--headless", "--only-summary"),
            *("--host", self.shop.address, "--users", str(users), "--spawn-rate", str(SPAWNED_PER_SECOND)),
            *("--csv", str(self._directory / "locust"), "--records", str(self._records)),
            *("--passes", str(self._directory / "passes"), "--shape", "soak" if scenario.duration_seconds else "flash"),
            *("--within", str(scenario.within_seconds), "--browse", str(scenario.browse), "--pay", str(scenario.pay)),
            *("--duration", str(scenario.duration_seconds), *(["--sync"] if self.system.buys_inside else [])),
            *("--patience", str(PATIENCE_SECONDS)),
            *(["--processes", str(PROCESSES)] if PROCESSES > 1 else []),
            *self._users(),
        ]
        with (self._directory / "locust.log").open("wb") as log:
            self._crowd = Child(command, cwd=PROJECT, stdout=log)

        def all_here() -> bool:
            waiting = sum(int(file.read_text() or 0) for file in self._records.glob("waiting.*"))
            self._tell(f"{waiting:,} of {scenario.buyers:,} buyers are here")
            if self._crowd is None or self._crowd.poll() is not None:
                raise RuntimeError(f"Locust ended before the opening; see {self._directory / 'locust.log'}")
            return waiting >= scenario.buyers

        wait_until("everybody is here", all_here, ARRIVE_SECONDS_MAX)

    def _users(self) -> list[str]:
        if not self.scenario.visitors:
            return ["Buyer"]
        visitors = {"user_class_name": "Visitor", "fixed_count": self.scenario.visitors}
        return ["Buyer", "Visitor", "--config-users", json.dumps(visitors)]

    def _set_opening(self) -> None:
        opens_at = datetime.now(UTC) + timedelta(seconds=LEAD_SECONDS)
        self._opens_at = opens_at.timestamp()
        self.shop.sql(f"UPDATE catalog_sale SET opens_at = '{opens_at:%Y-%m-%d %H:%M:%S.%f}+00:00' WHERE id = 1")  # noqa: S608

    def _watch(self, during: Callable[[float], None] | None) -> None:
        """Sample the number of waiting purchases until the crowd is through."""
        assert self._crowd is not None  # noqa: S101 (for the type checker: started above)
        with (
            redis.Redis.from_url(self.shop.environment["REDIS_URL"]) as line,
            redis.Redis.from_url(self.shop.environment["CELERY_BROKER_URL"]) as broker,
        ):
            while self._crowd.poll() is None:
                since = time.time() - self._opens_at
                if since > RUSH_SECONDS_MAX:
                    raise TimeoutError(f"the crowd does not end; see {self._directory / 'locust.log'}")
                if since >= 0:
                    self._computed.append((since, _cpu_seconds(self._crowd.pid)))
                    with contextlib.suppress(redis.RedisError):
                        depth = _line_depth(line) if self.system.has_line else _queue_depth(broker)
                        self._depth.append((round(since, 2), depth))
                        self._tell(f"{since:.0f} s after the opening, {depth:,} wait inside")
                if during is not None:
                    during(since)
                time.sleep(SAMPLE_SECONDS)

    def _settle(self) -> None:
        """Wait until nothing changes any more: a buyer who gave up may still get an order."""
        with (
            redis.Redis.from_url(self.shop.environment["REDIS_URL"]) as line,
            redis.Redis.from_url(self.shop.environment["CELERY_BROKER_URL"]) as broker,
            contextlib.suppress(TimeoutError),
        ):
            wait_until(
                "nothing waits",
                lambda: (_line_depth(line) if self.system.has_line else _queue_depth(broker)) == 0,
                SETTLE_SECONDS_MAX,
            )

    def _result(self) -> Run:
        purchases = read_purchases(self._records)
        opened = self._opens_at
        ((orders, last_order),) = self.shop.sql(
            f"SELECT count(*), max(created_at) FROM orders_order WHERE {HOLDS_A_UNIT}"  # noqa: S608 (ours)
        )
        answered = [purchase for purchase in purchases if purchase.answered]
        decided = [purchase for purchase in purchases if purchase.decided]
        return Run(
            system=self.system.name,
            scenario=self.scenario.name,
            buyers=len(purchases),
            stock=self.scenario.stock,
            accepted=len(answered),
            accepted_seconds=max((purchase.answered - opened for purchase in answered), default=0.0),
            completed=len(decided),
            completed_seconds=max((purchase.decided - opened for purchase in decided), default=0.0),
            orders=orders,
            ordered_seconds=_timestamp(last_order) - opened if last_order else 0.0,
            accept=Latency.of([(purchase.answered - purchase.clicked) * 1000 for purchase in answered]),
            outcome=Latency.of([(purchase.decided - purchase.clicked) * 1000 for purchase in decided]),
            visit=Latency.of(self._visits(purchases)),
            generator_busy=self._generator_busy(max((p.answered - opened for p in answered), default=0.0)),
            clicked_late_seconds=self._clicked_late_seconds(purchases),
            errors=_errors(self._directory / "locust_failures.csv"),
            undecided=_undecided(purchases, opened),
            depth=self._depth,
            audit=audit(self.shop, self.system, ask_again(self.shop, purchases), stock=self.scenario.stock),
        )

    def _generator_busy(self, seconds: float) -> float:
        """Return the share of its cores the generator used from the opening until ``seconds`` later."""
        within = [sample for sample in self._computed if sample[0] <= max(seconds, 2 * SAMPLE_SECONDS)]
        if len(within) < 2:  # noqa: PLR2004 (a difference needs two)
            return 0.0
        (began, before), (ended, after) = within[0], within[-1]
        return round((after - before) / (ended - began) / PROCESSES, 3)

    def _clicked_late_seconds(self, purchases: Sequence[Purchase]) -> float:
        if self.scenario.duration_seconds:
            return 0.0  # with a fixed number at a time there is no plan to be late for
        last = max((purchase.clicked for purchase in purchases), default=0.0)
        return round(max(0.0, last - self._opens_at - self.scenario.within_seconds), 3)

    def _visits(self, purchases: Sequence[Purchase]) -> list[float]:
        """Return the milliseconds of visitors' requests while buyers were buying."""
        over = max((purchase.decided for purchase in purchases), default=0.0)
        return [ms for began, ms in read_visits(self._records) if self._opens_at <= began <= over]

    def _close(self) -> None:
        if self._crowd is not None and self._crowd.poll() is None:
            os.killpg(self._crowd.pid, signal.SIGKILL)
            self._crowd.wait()
        self.shop.close()


def _cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and its children."""
    seconds = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            times = one.cpu_times()
            seconds += times.user + times.system
    return seconds


def _line_depth(client: redis.Redis) -> int:
    """Return the places that can be settled and are not: behind the pointer while there is stock, and reserved ones."""
    keys = sale_keys(1)
    pipeline = client.pipeline(transaction=False)
    pipeline.llen(keys.line)
    pipeline.get(keys.pointer)
    pipeline.get(keys.stock)
    pipeline.hlen(keys.pending)
    length, pointer, stock, claims = pipeline.execute()
    waiting = length - int(pointer or 0) if int(stock or 0) > 0 else 0
    return int(waiting + claims)


def _queue_depth(broker: redis.Redis) -> int:
    """Return the number of unacknowledged messages."""
    return int(broker.llen("celery")) + int(broker.hlen("unacked"))


def _undecided(purchases: Sequence[Purchase], opened: float) -> list[tuple[float, int]]:
    """Return the number of buyers who clicked and had no outcome, every quarter second from the opening to the end."""
    moves = sorted(
        [(purchase.clicked - opened, 1) for purchase in purchases]
        + [(purchase.decided - opened, -1) for purchase in purchases if purchase.decided]
    )
    series, undecided, moment = [], 0, 0.0
    for when, change in moves:
        while moment < when:
            series.append((moment, undecided))
            moment += SAMPLE_SECONDS
        undecided += change
    return [*series, (moment, undecided)]


def _errors(file: Path) -> dict[str, int]:
    """Return the failures Locust counted: request, error, and how often."""
    with file.open(newline="", encoding="utf-8") as rows:
        return {f"{row['Name']}: {row['Error']}": int(row["Occurrences"]) for row in csv.DictReader(rows)}


def _timestamp(moment: datetime | str) -> float:
    """Convert a ledger time to seconds since 1970: PostgreSQL returns a datetime, SQLite text in UTC."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    return moment.timestamp()
