"""A cluster: three web hosts, each running every part of the shop.

They share a Valkey and a PostgreSQL, and a RabbitMQ when it is the broker.
"""

import os
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import redis
from kombu.entity import Queue
from kombu.exceptions import ChannelError

from celery_task.celery import app
from celery_task.queues import ON_REDIS
from devtools.embedded.child import Child
from devtools.embedded.postgres import Postgres
from devtools.embedded.shop import BEAT, PROJECT, WEB, Seed, run_sql
from devtools.embedded.valkey import Valkey
from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from seckill.line.keys import sale_keys
from seckill.line.passes import Pass
from tests.cluster.network import Network
from tests.faults.crowd import Buyer
from tests.faults.fail_points import FailPoints
from tests.faults.shop import with_faults
from tests.rabbitmq import Rabbit

HOSTS = ("web-1", "web-2", "web-3")
_WORKER = ("-m", "celery", "-A", "celery_task", "worker", "--without-gossip", "--without-mingle")
PARTS = {
    "web": WEB,
    "worker": (*_WORKER, "--queues", "orders,default", "--concurrency", "1"),
    "host": (*_WORKER, "--queues", "host,broadcast", "--pool", "threads", "--concurrency", "1"),
    "beat": BEAT,
}
PORT = 8000
DAY_MS = 86_400_000


class Host:
    """One host: its files, its address, its processes."""

    def __init__(self, name: str, network: Network, directory: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.address = f"http://{network.address_of(name)}:{PORT}"
        self.media = directory / "var" / "media"
        self.fail_points = FailPoints(directory / "fail-points")
        self._directory = directory
        self._inside = network.inside(name)
        self._environment = environment | {
            "HOST": name,
            "VAR_DIR": str(directory / "var"),
            "FAIL_POINTS": str(self.fail_points.directory),
        }
        self._processes: dict[str, Child] = {}

    def start(self, part: str) -> None:
        with (self._directory / f"{part}.log").open("ab") as log:
            self._processes[part] = Child(
                [*self._inside, sys.executable, *with_faults(PARTS[part], self._directory)],
                cwd=PROJECT, env=self._environment, stdout=log,
            )  # fmt: skip

    def end(self, part: str, sent: signal.Signals = signal.SIGKILL) -> None:
        """Stop a part with its children."""
        process = self._processes.pop(part)
        os.killpg(process.pid, sent)
        process.wait(timeout=WAIT_SECONDS_MAX)

    def close(self) -> None:
        """Stop all parts."""
        for part in list(self._processes):
            self.end(part)

    def ended(self) -> list[str]:
        """Return the parts that have ended by themselves."""
        return [part for part, process in self._processes.items() if process.poll() is not None]

    def log(self, part: str) -> str:
        """Return a part's output so far."""
        file = self._directory / f"{part}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def is_ready(self) -> bool:
        """Return whether its web process is ready, with ledger and line."""
        try:
            return httpx.get(f"{self.address}/readyz", timeout=30).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


class Cluster:
    """Three hosts, and the servers they share, which run in the network of the tests."""

    def __init__(self, network: Network, directory: Path) -> None:
        self.network = network
        self._directory = directory
        bridge = network.address
        self.valkey = Valkey(directory / "valkey", flags=["--bind", "127.0.0.1", bridge, "--protected-mode", "no"])
        allowed = directory / "pg_hba.conf"
        allowed.write_text(f"host all all 127.0.0.1/32 trust\nhost all all {network.range} trust\n")
        listening = {"listen_addresses": f"127.0.0.1,{bridge}", "hba_file": str(allowed)}
        self.postgres = Postgres(
            directory / "postgres", settings={"fsync": "off", "max_connections": "200", **listening}
        )
        self.rabbit = None if ON_REDIS else Rabbit(directory / "rabbitmq", address=bridge)
        self._redis = [self.valkey.url(number).replace("127.0.0.1", bridge) for number in range(4)]
        self._broker = self.rabbit.url if self.rabbit else self._redis[1]
        self.hosts: dict[str, Host] = {}
        self.ledger = ""
        self._sent: Counter[str] = Counter()

    def open(self) -> None:
        """Start everything; wait until sale 1 is loaded and every host is registered."""
        self.valkey.start()
        self.postgres.start()
        if self.rabbit:
            self.rabbit.start()
        seed = Seed(self._directory / "seed", self.postgres)
        shutil.rmtree(self._directory / "seed" / "media")  # the hosts keep only the files they write themselves
        bridge = self.network.address
        environment = {
            **os.environ,
            "ALLOWED_HOSTS": ",".join(self.network.address_of(name) for name in HOSTS),
            "BIND": f"0.0.0.0:{PORT}",
            "CACHE_URL": self._redis[2],
            "CELERY_BROKER_URL": self._broker,
            "CELERY_RESULT_BACKEND": self._redis[3],
            "CSRF_TRUSTED_ORIGINS": "",
            "DATABASE_POOL_SIZE": "6",
            "LOG_LEVEL": "DEBUG",
            "REDIS_URL": self._redis[0],
            "WEB_CONCURRENCY": "1",
        }
        for name in HOSTS:
            directory = self._directory / name
            if self.ledger:
                shutil.copytree(self._directory / "seed", directory / "var")
            else:
                self.ledger = seed.copy_to(directory / "var")
            environment["DATABASE_URL"] = self.ledger.replace("127.0.0.1", bridge)
            self.hosts[name] = Host(name, self.network, directory, environment)
        for part in PARTS:
            for host in self.hosts.values():
                host.start(part)
        for host in self.hosts.values():
            wait_until(f"{host.name} is ready", host.is_ready)
        wait_until("every host is known", lambda: self.sql("SELECT count(*) FROM monitoring_host") == [(3,)])
        wait_until("sale 1 is in the line", lambda: self.sql("SELECT epoch FROM catalog_sale WHERE id = 1")[0][0])

    def close(self) -> None:
        """Stop everything."""
        for host in self.hosts.values():
            host.close()
        if self.rabbit:
            self.rabbit.stop()
        self.valkey.stop()
        self.postgres.stop()

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run SQL on the ledger and return the rows of a SELECT."""
        return run_sql(self.ledger, statement)

    def line(self) -> redis.Redis:
        """Return a client of the line's Valkey."""
        return redis.Redis.from_url(self.valkey.url(0), decode_responses=True)

    def waiting(self, queue: str) -> int:
        """Return the number of messages in a queue."""
        with app.connection_for_read(self._broker) as broker:
            try:
                return int(broker.default_channel.queue_declare(queue, passive=True).message_count)
            except ChannelError:  # Redis has no empty queues
                return 0

    def others(self, name: str) -> list[Host]:
        """Return all hosts but one."""
        return [host for host in self.hosts.values() if host.name != name]

    # --- schedules ------------------------------------------------------------------------------------------------

    def leader(self) -> str:
        """Return the host whose beat is leader."""
        return str(self.sql("SELECT holder FROM celery_task_leader WHERE id = 1")[0][0]).split(":")[0]

    def every_second(self, schedule: str) -> None:
        """Make a schedule run every second."""
        self.sql(
            "UPDATE django_celery_beat_periodictask SET interval_id = (SELECT interval_id FROM"  # noqa: S608 (a name of ours)
            f" django_celery_beat_periodictask WHERE name = 'ring-doorbells') WHERE name = '{schedule}'"
        )
        self.sql("UPDATE django_celery_beat_periodictasks SET last_update = now()")

    def runs(self, schedule: str) -> int:
        """Return how many runs of the schedule were claimed."""
        rows = self.sql(f"SELECT total_run_count FROM django_celery_beat_periodictask WHERE name = '{schedule}'")  # noqa: S608 (as above)
        return int(rows[0][0])

    def sent(self, schedule: str, queue: Queue) -> int:
        """Take the schedule's messages from this queue and return their number. No worker may consume the queue."""
        with app.connection_for_read(self._broker) as broker:
            waiting: Any = queue(broker.default_channel)
            while message := waiting.get(no_ack=True):
                self._sent[message.headers.get("periodic_task_name", "")] += 1
        return self._sent[schedule]

    # --- sales ----------------------------------------------------------------------------------------------------

    def new_sale(self, *, stock: int) -> int:
        """Create an open, loaded sale with an empty line; return its id."""
        like = "product_id, price, currency, opens_at, closes_at, status, pay_within_seconds, line_limit"
        values = f"SELECT {like}, {stock:d}, 0, 0 FROM catalog_sale WHERE id = 1"  # noqa: S608 (a number)
        self.sql(f"INSERT INTO catalog_sale ({like}, stock, sold, epoch) {values}")
        ((sale,),) = self.sql("SELECT max(id) FROM catalog_sale")
        with self.line() as line:
            wait_until("the line knows the sale", lambda: line.get(sale_keys(sale).stock) == str(stock))
        return int(sale)

    def orders(self, sale: int) -> list[tuple[int, str]]:
        """Return (place, buyer) of a sale's orders, by place."""
        rows = self.sql(f"SELECT place, buyer FROM orders_order WHERE sale_id = {sale:d} ORDER BY place")  # noqa: S608 (a number)
        return [(place, buyer) for place, buyer in rows]

    def books(self, sale: int) -> tuple[int, int, int]:
        """Return units sold by the ledger, units left in the line, and open reservations."""
        ((sold,),) = self.sql(f"SELECT sold FROM catalog_sale WHERE id = {sale:d}")  # noqa: S608 (a number)
        keys = sale_keys(sale)
        with self.line() as line:
            return int(sold), int(line.get(keys.stock) or -1), line.hlen(keys.pending)


def buyers(sale: int, prefix: str, count: int) -> list[Buyer]:
    """Return passes of ``count`` buyers."""
    now_ms = int(time.time() * 1000)
    return [
        Buyer(name, Pass(sale, name, now_ms - DAY_MS, now_ms + DAY_MS).sign())
        for name in (f"{prefix}-{number}" for number in range(1, count + 1))
    ]
