"""The stage of the bench: one ledger server, and shops on it that are started once and measured in turn."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import redis

from loadtest.benchmark.costs import Meters, read_meters
from loadtest.systems import System
from seckill.embedded.postgres import Postgres
from seckill.embedded.shop import Seed, Shop, await_that
from seckill.line.keys import sale_keys
from seckill.line.passes import Pass

POSTGRES_SETTINGS = {"max_connections": "300", "shared_buffers": "256MB"}
SETTLE_SECONDS_MAX = 300
# In the broker: messages nobody has fetched, or nobody has finished.
QUEUES = ("orders", "banners", "notices", "celery", "unacked")
LINGER_SECONDS = 0.3  # requests that were under way when the load generator left
PASS_SECONDS = 86_400


class MeasuredShop:
    """One system's shop."""

    def __init__(self, system: System, seed: Seed, directory: Path, postgres: Postgres | None) -> None:
        directory.mkdir()
        self.system = system
        environment = {"LOG_LEVEL": "WARNING", **system.environment}
        self.shop = Shop(directory, seed, system.parts, environment, system.valkey_flags)
        self.shop.environment.setdefault("CELERY_RESULT_BACKEND", self.shop.valkey.url(3))
        self.redis = redis.Redis.from_url(self.shop.valkey.url(0), decode_responses=True)
        self._broker = redis.Redis.from_url(self.shop.valkey.url(1))
        self._postgres = postgres

    def open(self) -> None:
        """Start everything."""
        self.shop.open(stock=1)

    def close(self) -> None:
        """End everything."""
        self.redis.close()
        self._broker.close()
        self.shop.close()

    def new_sale(self, *, stock: int) -> int:
        """A sale that is open, with room for everybody and a day to pay; known to the line where there is one."""
        ((sale,),) = self.shop.sql(
            "INSERT INTO seckill_sale (product_id, price, currency, stock, sold, opens_at, closes_at, status,"  # noqa: S608 (a number)
            " pay_within_seconds, line_limit, epoch)"
            f" SELECT product_id, price, currency, {stock:d}, 0, opens_at, closes_at, status, 86400, 100000000, 0"
            " FROM seckill_sale WHERE id = 1 RETURNING id"
        )
        if "beat" in self.shop.parts:
            await_that("the sale is in the line", lambda: self.redis.exists(sale_keys(sale).meta))
        return int(sale)

    def parts(self) -> dict[str, int]:
        """Process ids, by name; the database server is everybody's."""
        assert self.shop.valkey.process is not None  # noqa: S101 (for the type checker: it was started)
        pids = {name: process.pid for name, process in self.shop.processes.items()}
        pids["valkey"] = self.shop.valkey.process.pid
        if self._postgres is not None and self._postgres.process is not None:
            pids["postgres"] = self._postgres.process.pid
        return pids

    def meters(self) -> Meters:
        """What has been used so far."""
        return read_meters(self.parts(), self.redis)

    def purchases(self, sale: int) -> int:
        """How many purchases of the sale have been accepted: places in line, orders where there is no line."""
        return self.redis.llen(sale_keys(sale).line) if self.system.has_line else self.orders(sale)

    def orders(self, sale: int) -> int:
        """How many orders of the sale are in the ledger."""
        return int(self.shop.sql(f"SELECT count(*) FROM orders_order WHERE sale_id = {sale:d}")[0][0])  # noqa: S608 (a number)

    def decided(self, sale: int) -> int:
        """How many outcomes the line has: each is written after its order's commit. Cheaper to ask than the ledger."""
        return self.redis.hlen(sale_keys(sale).outcomes)

    def ledger_version(self) -> str:
        """The database and its version."""
        if self._postgres is None:
            return f"SQLite {self.shop.sql('SELECT sqlite_version()')[0][0]}"
        return f"PostgreSQL {self.shop.sql('SHOW server_version')[0][0]}"

    def database_size(self) -> int:
        """Bytes of this shop's database."""
        if self._postgres is None:
            pages, size = (self.shop.sql(f"PRAGMA {name}")[0][0] for name in ("page_count", "page_size"))
            return int(pages * size)
        return int(self.shop.sql("SELECT pg_database_size(current_database())")[0][0])

    def await_rest(self) -> None:
        """Return when the requests that were under way have ended and the broker has no message any more."""
        time.sleep(LINGER_SECONDS)
        await_that("the workers are through", lambda: not self._broker.exists(*QUEUES), SETTLE_SECONDS_MAX)


def write_passes(files: Path, *, sale: int, count: int, shares: int) -> None:
    """Passes of so many buyers, one a line, shared out to the files ``FILES.0``, ``FILES.1`` and so on."""
    expires_ms = int((time.time() + PASS_SECONDS) * 1000)
    for share in range(shares):
        with Path(f"{files}.{share}").open("w", encoding="ascii") as file:
            file.writelines(
                f"{Pass(sale, f'b{number}', 0, expires_ms).sign()}\n" for number in range(share + 1, count + 1, shares)
            )


@contextmanager
def open_stage(directory: Path, ledger: str, systems: Sequence[System]) -> Iterator[dict[str, MeasuredShop]]:
    """A shop of each system, by its name, with a server of its own for everything but the ledger; ended afterwards.

    ``ledger`` is postgres or sqlite. The directory is emptied first; afterwards only logs are left there.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    postgres = Postgres(directory / "postgres", settings=POSTGRES_SETTINGS) if ledger == "postgres" else None
    shops: dict[str, MeasuredShop] = {}
    try:
        if postgres is not None:
            postgres.start()
        seed = Seed(directory / "seed", postgres)
        for system in systems:
            shops[system.name] = MeasuredShop(system, seed, directory / system.name, postgres)
            shops[system.name].open()
        yield shops
    finally:
        for shop in shops.values():
            shop.close()
        if postgres is not None:
            postgres.stop()
        for pattern in ("seed", "postgres-programs", "*/var", "*/data", "*/valkey/appendonlydir"):
            for data in directory.glob(pattern):
                shutil.rmtree(data, ignore_errors=True)
        for passes in directory.glob("passes.*"):
            passes.unlink()
