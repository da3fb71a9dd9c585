"""Measured shops: one system's shop at one revision.

All the bench's knowledge of a shop's internals is in this file.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import redis

from devtools.embedded.child import Child
from devtools.embedded.postgres import Postgres
from devtools.embedded.shop import Seed, Shop
from devtools.waiting import wait_until
from loadtest.benchmark.costs import Meters, cpu_seconds, memory_bytes, read_meters
from loadtest.benchmark.revision import NOW, Revision
from loadtest.systems import System

SETTLE_SECONDS_MAX = 300
END_SECONDS_MAX = 60
# Broker keys: messages not yet fetched, and messages not yet acknowledged.
QUEUES = ("orders", "default", "notifications", "celery", "unacked")
# Names of parts and queues in older revisions.
FORMER_PARTS = {"chores": "background"}
FORMER_QUEUES = ("banners", "notices")
LINGER_SECONDS = 0.3  # wait for requests under way when the load generator left
IDLE_CORES_MAX = 0.05  # a web process that uses less than this share of a core is idle
IDLE_LOOK_SECONDS = 0.5
DAY_SECONDS = 86_400
LONG_AGO = "2000-01-01 00:00:00+00:00"
UNLIMITED = "1000000/min"
ENVIRONMENT = {
    "LOG_LEVEL": "WARNING",
    "THROTTLE_REGISTER": UNLIMITED,
    "THROTTLE_LOGIN": UNLIMITED,
    "THROTTLE_PASS": UNLIMITED,
}


def line_of(revision: Revision) -> System:
    """Return the product as that revision starts it."""
    told = json.loads(revision.run_command(os.environ, "parts"))
    parts = {FORMER_PARTS.get(name, name): tuple(arguments) for name, arguments in told["parts"].items()}
    return System("line", "The product.", parts, slow_parts={}, environment=told["environment"])


def constant_of(revision: Revision) -> System:
    """Return a system that sends a constant response from the web server of this revision's line."""
    *web, _application = line_of(revision).parts["web"]
    return System(
        name="constant",
        sentence="The same bytes for every request, from the web server that the line runs on.",
        parts={"web": (*web, "loadtest.constant:application")},
        slow_parts={},
        has_line=False,
    )


def key(sale: int, name: str) -> str:
    """Return the name of a sale's key in Redis: meta, line, outcomes, pending or stock."""
    return f"{{sale:{sale}}}:{name}"


class RevisionSeed(Seed):
    """A shop's initial data, made by the code of a revision."""

    def __init__(self, revision: Revision, directory: Path, postgres: Postgres | None) -> None:
        self._directory = directory
        self._postgres = postgres
        self._name = f"seeded_{directory.name}".replace("-", "_")
        if postgres is None:
            url = f"sqlite:///{directory}/db.sqlite3"
        else:
            self._create_database(self._name, template="template1")
            url = postgres.url(self._name)
        environment = {**os.environ, "DATABASE_URL": url, "VAR_DIR": str(directory)}
        for command in (("migrate", "--verbosity", "0"), ("collectstatic", "--noinput", "--verbosity", "0")):
            revision.run(environment, "manage.py", *command)
        revision.run(environment, "manage.py", "seed_demo")


class RevisionShop(Shop):
    """A shop whose processes run the code of a revision."""

    def __init__(
        self, revision: Revision, directory: Path, seed: Seed, system: System, environment: Mapping[str, str]
    ) -> None:
        self._revision = revision
        super().__init__(directory, seed, system.parts, environment, system.valkey_flags)

    def manage(self, *arguments: str) -> str:
        """Run a management command on this shop and return its output."""
        return self._revision.run(self.environment, "manage.py", *arguments)

    def run_command(self, *arguments: str) -> None:
        """Run a command of `revision_commands.py` with the revision's code."""
        self._revision.run_command(self.environment, *arguments)

    @cached_property
    def sale_table(self) -> str:
        """Return the table of sales: ``seckill_sale`` in revisions without the catalog app."""
        return "catalog_sale" if self.columns("catalog_sale") else "seckill_sale"

    def columns(self, table: str) -> list[str]:
        """Return the names of a table's columns; empty when there is no such table."""
        if self.environment["DATABASE_URL"].startswith("sqlite"):
            return [str(row[1]) for row in self.sql(f"PRAGMA table_info({table})")]
        rows = self.sql(f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'")  # noqa: S608 (ours)
        return [str(name) for (name,) in rows]

    def open(self, *, stock: int) -> None:
        """Start everything. With beat, wait until sale 1 is loaded."""
        self.valkey.start()
        self.sql(f"UPDATE {self.sale_table} SET stock = {stock:d}")  # noqa: S608 (a number)
        for name in self.parts:
            self.start(name)
        wait_until("the shop is ready", lambda: self.get("/readyz"))
        if "beat" in self.parts:
            with redis.Redis.from_url(self.environment["REDIS_URL"]) as line:
                wait_until("sale 1 is in the line", lambda: line.exists(key(1, "meta")))

    def start(self, name: str) -> None:
        """Start one part."""
        self.start_as(name, self.parts[name])

    def restart_as(self, name: str, arguments: Sequence[str]) -> None:
        """Restart a part with other arguments, after the running one has finished its work.

        Only the main process is terminated. If its children were terminated too, messages they had fetched would be
        missing for half a minute.
        """
        process = self.processes.pop(name)
        process.terminate()
        process.wait(timeout=END_SECONDS_MAX)
        self.start_as(name, arguments)

    def start_as(self, name: str, arguments: Sequence[str]) -> None:
        """Start one part with other arguments than its own."""
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = Child(
                [self._revision.python, *arguments],
                cwd=self._revision.directory, env=self.environment_of(name), stdout=log,
            )  # fmt: skip


class MeasuredShop:
    """One system's shop."""

    def __init__(
        self, system: System, seed: Seed, directory: Path, postgres: Postgres | None, revision: Revision = NOW
    ) -> None:
        directory.mkdir()
        self.system = system
        self.shop = RevisionShop(revision, directory, seed, system, {**ENVIRONMENT, **system.environment})
        self.shop.environment.setdefault("CELERY_RESULT_BACKEND", self.shop.valkey.url(3))
        self.redis = redis.Redis.from_url(self.shop.valkey.url(0), decode_responses=True)
        self._broker = redis.Redis.from_url(self.shop.valkey.url(1))
        self._postgres = postgres

    def open(self) -> None:
        """Start everything."""
        self.shop.open(stock=1)

    def close(self) -> None:
        """Stop everything."""
        self.redis.close()
        self._broker.close()
        self.shop.close()

    # --- sales and buyers ---------------------------------------------------------------------------------------

    def new_sales(self, number: int, *, stock: int, line_limit: int = 100_000_000) -> list[int]:
        """Create open sales with a day to pay. With a line, wait until they are loaded."""
        changed = {
            "stock": f"{stock:d}",
            "sold": "0",
            "pay_within_seconds": f"{DAY_SECONDS:d}",
            "line_limit": f"{line_limit:d}",
            "epoch": "0",
        }
        names = [name for name in self.shop.columns(self.shop.sale_table) if name != "id"]
        several = ", ".join(f"({each})" for each in range(number))
        rows = self.shop.sql(
            f"INSERT INTO {self.shop.sale_table} ({', '.join(names)}) WITH several(number) AS (VALUES {several})"  # noqa: S608 (names of columns, numbers)
            f" SELECT {', '.join(changed.get(name, name) for name in names)} FROM {self.shop.sale_table}, several"
            " WHERE id = 1 RETURNING id"
        )
        sales = sorted(int(sale) for (sale,) in rows)
        if "beat" in self.shop.parts:
            wait_until("the sales are in the line", lambda: self._admits(sales))
        return sales

    def _admits(self, sales: Sequence[int]) -> bool:
        """Return whether every sale is loaded and its line is not in recovery.

        When two sweeps load a new sale at once, the second one treats the line as lost, and the sale admits no buyers
        for some seconds.
        """
        pipeline = self.redis.pipeline(transaction=False)
        for sale in sales:
            pipeline.hget(key(sale, "meta"), "rejoin_until_ms")
        until = pipeline.execute()
        return None not in until and max(map(int, until)) <= time.time() * 1000

    def new_sale(self, *, stock: int, line_limit: int = 100_000_000) -> int:
        """Create one sale."""
        return self.new_sales(1, stock=stock, line_limit=line_limit)[0]

    def retire(self, sales: Sequence[int]) -> None:
        """End these sales so that sweeps skip them: their work would slow the next measurement."""
        if sales:
            listed = ", ".join(f"{sale:d}" for sale in sales)
            self.shop.sql(f"UPDATE {self.shop.sale_table} SET ended_at = '{LONG_AGO}' WHERE id IN ({listed})")  # noqa: S608 (numbers)

    def passes(self, sale: int, count: int, prefix: str = "b") -> list[str]:
        """Return the passes of buyers PREFIX1 to PREFIXcount."""
        return self.shop.manage("issue_passes", str(sale), "--count", str(count), "--prefix", prefix).split()

    def join(self, sale: int, count: int, prefix: str = "b") -> None:
        """Give buyers places without going through the web processes."""
        self.shop.run_command("join", str(sale), str(count), prefix)

    # --- contents -----------------------------------------------------------------------------------------------

    def purchases(self, sale: int) -> int:
        """Return the number of accepted purchases: places in line, or orders in a system without a line."""
        return self.redis.llen(key(sale, "line")) if self.system.has_line else self.orders(sale)

    def orders(self, sale: int) -> int:
        """Return the number of the sale's orders in the ledger."""
        return int(self.shop.sql(f"SELECT count(*) FROM orders_order WHERE sale_id = {sale:d}")[0][0])  # noqa: S608 (a number)

    def sold(self, sale: int) -> int:
        """Return the number of units sold. Cheap to read: the counter is updated in the orders' transaction."""
        return int(self.shop.sql(f"SELECT sold FROM {self.shop.sale_table} WHERE id = {sale:d}")[0][0])  # noqa: S608 (a number)

    def commits(self, sale: int) -> list[tuple[str, int]]:
        """Return (ISO 8601 time, number of orders written at that time), ascending."""
        rows = self.shop.sql(
            f"SELECT created_at, count(*) FROM orders_order WHERE sale_id = {sale:d} GROUP BY created_at ORDER BY 1"  # noqa: S608 (a number)
        )
        return [(str(moment), count) for moment, count in rows]

    def ledger_version(self) -> str:
        """Return the database and its version."""
        if self._postgres is None:
            return f"SQLite {self.shop.sql('SELECT sqlite_version()')[0][0]}"
        return f"PostgreSQL {self.shop.sql('SHOW server_version')[0][0]}"

    def database_size(self) -> int:
        """Return the size of this shop's database in bytes."""
        if self._postgres is None:
            pages, size = (self.shop.sql(f"PRAGMA {name}")[0][0] for name in ("page_count", "page_size"))
            return int(pages * size)
        return int(self.shop.sql("SELECT pg_database_size(current_database())")[0][0])

    # --- processes ----------------------------------------------------------------------------------------------

    def parts(self) -> dict[str, int]:
        """Return process ids by part. The database server is shared by all shops."""
        assert self.shop.valkey.process is not None  # noqa: S101 (for the type checker: it was started)
        pids = {name: process.pid for name, process in self.shop.processes.items()}
        pids["valkey"] = self.shop.valkey.process.pid
        if self._postgres is not None and self._postgres.process is not None:
            pids["postgres"] = self._postgres.process.pid
        return pids

    def meters(self) -> Meters:
        """Read the meters."""
        return read_meters(self.parts(), self.redis)

    def web_memory(self) -> int:
        """Return the memory of the web processes in bytes."""
        return memory_bytes(self.parts()["web"])

    def sync_log(self, how: str) -> None:
        """Set when Valkey's log is synced: ``always`` (before each response) or ``everysec``."""
        self.redis.config_set("appendfsync", how)

    def await_rest(self) -> None:
        """Return when all requests under way have ended and the broker is empty."""
        time.sleep(LINGER_SECONDS)
        wait_until(
            "the workers are through", lambda: not self._broker.exists(*QUEUES, *FORMER_QUEUES), SETTLE_SECONDS_MAX
        )

    def await_idle(self) -> None:
        """Return when the web processes are idle."""

        def idle() -> bool:
            before = cpu_seconds(self.parts()["web"])
            time.sleep(IDLE_LOOK_SECONDS)
            return cpu_seconds(self.parts()["web"]) - before < IDLE_CORES_MAX * IDLE_LOOK_SECONDS

        wait_until("the web processes are through", idle, SETTLE_SECONDS_MAX)
