"""A shop whose parts can be stopped at fail points, killed, and given a wrong clock."""

import os
import random
import signal
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import redis

from devtools.embedded.shop import BEAT, WEB, WORKER, Seed, Shop, run_sql
from devtools.waiting import wait_until
from seckill.line.keys import sale_keys
from seckill.line.passes import Pass
from seckill.timestamps import format_iso8601, to_epoch_ms
from tests.faults.crowd import Buyer, Crowd
from tests.faults.fail_points import FailPoints

PARTS = {"web": WEB, "worker": WORKER, "beat": BEAT}
HOLDS_A_UNIT = "status IN ('pending', 'paid')"
DAY_MS = 86_400_000


def with_faults(arguments: tuple[str, ...], directory: Path) -> tuple[str, ...]:
    """Return a part started through `tests.faults.process`. DIRECTORY in an argument is the shop's directory."""
    assert arguments[0] == "-m"
    return (
        "-m",
        "tests.faults.process",
        *(argument.replace("DIRECTORY", str(directory)) for argument in arguments[1:]),
    )


class FaultyShop(Shop):
    """A shop for fault injection."""

    def __init__(
        self,
        directory: Path,
        seed: Seed,
        *,
        environment: Mapping[str, str] | None = None,
        valkey_flags: Sequence[str] = (),
        parts: Mapping[str, tuple[str, ...]] = PARTS,
        database_by: int = 0,
        clocks_off: Mapping[str, float] | None = None,
    ) -> None:
        """``database_by`` is the port through which the shop reaches its database; the tests connect directly.

        ``clocks_off`` is the number of seconds by which the clock of a part is ahead.
        """
        self.clocks_off = clocks_off or {}
        self.fail_points = FailPoints(directory / "fail-points")
        super().__init__(
            directory,
            seed,
            {name: with_faults(arguments, directory) for name, arguments in parts.items()},
            {"SECKILL_LOG_LEVEL": "INFO", "FAIL_POINTS": str(self.fail_points.directory), **(environment or {})},
            valkey_flags,
        )
        self.ledger_url = self.environment["DATABASE_URL"]
        if database_by:
            address = urlsplit(self.ledger_url)._replace(netloc=f"postgres@127.0.0.1:{database_by}")
            self.environment["DATABASE_URL"] = address.geturl()

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run SQL on the ledger directly."""
        return run_sql(self.ledger_url, statement)

    def environment_of(self, name: str) -> Mapping[str, str]:
        """Return the environment, with the part's shifted clock."""
        return self.environment | {"CLOCK_OFF_SECONDS": str(self.clocks_off.get(name, 0))}

    # --- sales ----------------------------------------------------------------------------------------------------

    def new_sale(self, *, stock: int) -> int:
        """Create an open, loaded sale with an empty line; return its id."""
        like = "product_id, price, currency, opens_at, closes_at, status, pay_within_seconds, line_limit"
        values = f"SELECT {like}, {stock:d}, 0, 0 FROM catalog_sale WHERE id = 1"
        self.sql(f"INSERT INTO catalog_sale ({like}, stock, sold, epoch) {values}")
        ((sale,),) = self.sql("SELECT max(id) FROM catalog_sale")
        wait_until("the line knows the sale", lambda: self.progress(sale).get("stock") == stock)
        return int(sale)

    def set_opening(self, sale: int, opens_at: float) -> None:
        """Set the opening time, in seconds since 1970, and return when the line has it."""
        when = datetime.fromtimestamp(opens_at, UTC)
        self.sql(f"UPDATE catalog_sale SET opens_at = '{when:%Y-%m-%d %H:%M:%S.%f}+00:00' WHERE id = {sale:d}")
        wait_until(
            "the line knows the opening",
            lambda: self.progress(sale).get("opens_at") == format_iso8601(to_epoch_ms(when)),
        )

    def buyers(self, sale: int, count: int) -> list[Buyer]:
        """Return passes of ``count`` buyers."""
        now_ms = int(time.time() * 1000)
        return [
            Buyer(name, Pass(sale, name, now_ms - DAY_MS, now_ms + DAY_MS).sign())
            for name in (f"fan-{number}" for number in range(1, count + 1))
        ]

    # --- processes ------------------------------------------------------------------------------------------------

    def children(self, name: str) -> list[int]:
        """Return the process ids of a part's children: gunicorn's workers, Celery's pool."""
        return [child.pid for child in psutil.Process(self.processes[name].pid).children()]

    def kill(self, victim: str, seed: int) -> None:
        """SIGKILL a "worker child", the whole "worker", a "gate process", or "beat". Nothing is restarted."""
        if victim in self.processes:
            self.end(victim, signal.SIGKILL)
        else:
            part = {"worker child": "worker", "gate process": "web"}[victim]
            os.kill(random.Random(seed).choice(self.children(part)), signal.SIGKILL)

    def supervise(self) -> None:
        """Restart parts that have ended, as an init system would."""
        for name in self.parts:
            process = self.processes.get(name)
            if process is None or process.poll() is not None:
                self.start(name)

    # --- the audit ------------------------------------------------------------------------------------------------

    def line(self) -> redis.Redis:
        """Return a client of the line's Valkey."""
        return redis.Redis.from_url(self.environment["REDIS_URL"], decode_responses=True)

    def orders(self, sale: int) -> list[tuple[int, str, str]]:
        """Return (place, buyer, status) of a sale's orders in the ledger, by place."""
        rows = self.sql(f"SELECT place, buyer, status FROM orders_order WHERE sale_id = {sale:d} ORDER BY place")
        return [(place, buyer, status) for place, buyer, status in rows]

    def confirmations(self, sale: int) -> list[str]:
        """Return the order numbers in the sale's confirmed events."""
        rows = self.sql(f"SELECT numbers FROM orders_event WHERE sale_id = {sale:d} AND kind = 'confirmed'")
        return sorted(number for (numbers,) in rows for number in numbers)

    def numbers(self, sale: int) -> list[str]:
        """Return the numbers of a sale's orders."""
        return sorted(number for (number,) in self.sql(f"SELECT number FROM orders_order WHERE sale_id = {sale:d}"))

    def books(self, sale: int) -> dict[str, Any]:
        """Return the counts of ledger and line for a sale. They are equal when the shop is consistent."""
        ((stock, sold),) = self.sql(f"SELECT stock, sold FROM catalog_sale WHERE id = {sale:d}")
        ((active_orders,),) = self.sql(f"SELECT count(*) FROM orders_order WHERE sale_id = {sale:d} AND {HOLDS_A_UNIT}")
        keys = sale_keys(sale)
        with self.line() as line:
            left = line.get(keys.stock)
            return {
                "stock": stock,
                "sold": sold,
                "active_orders": active_orders,
                "left": None if left is None else int(left),
                "reservations": line.hlen(keys.pending),
            }

    def at_rest(self, sale: int, crowd: Crowd, sold: int) -> bool:
        """Return whether every buyer got an outcome, ``sold`` units are sold, and no work is pending."""
        try:
            books = self.books(sale)
        except redis.RedisError:
            return False
        expected = {
            "stock": books["stock"],
            "sold": sold,
            "active_orders": sold,
            "left": books["stock"] - sold,
            "reservations": 0,
        }
        return books == expected and crowd.all_decided
