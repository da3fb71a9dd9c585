"""A whole shop as its own processes: gunicorn with gate and Django, worker, beat, on servers of their own."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import psycopg

from seckill.embedded.ports import free_port
from seckill.embedded.valkey import Valkey
from tests import servers

PROJECT = Path(__file__).resolve().parents[2]
WAIT_SECONDS_MAX = 60


def await_that(what: str, condition: Callable[[], object], seconds_max: float = WAIT_SECONDS_MAX) -> None:
    """Return as soon as the condition holds; fail when it doesn't within the time."""
    give_up_at = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < give_up_at, f"not within {seconds_max} s: {what}"
        time.sleep(0.05)


def manage(environment: dict[str, str], *arguments: str) -> str:
    """Run a management command; its output."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT, env=environment, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


@dataclass(frozen=True)
class Seeded:
    """A shop's data before its first opening, made once and copied for each shop."""

    var: Path  #: static files and pictures
    database: str  #: name of the PostgreSQL database, or path of the SQLite file


@cache
def seeded() -> Seeded:
    """Migrate, collect and seed into a template."""
    assert servers.directory is not None
    var = servers.directory / "seeded"
    if servers.postgres is None:
        database = str(var / "db.sqlite3")
        url = f"sqlite:///{database}"
    else:
        database = "seeded"
        _create_database(database)
        url = servers.postgres.url(database)
    environment = {**os.environ, "VAR_DIR": str(var), "DATABASE_URL": url}
    manage(environment, "migrate", "--verbosity", "0")
    manage(environment, "collectstatic", "--noinput", "--verbosity", "0")
    manage(environment, "seed_demo")
    return Seeded(var, database)


def _create_database(name: str, template: str = "template1") -> None:
    assert servers.postgres is not None
    with psycopg.connect(servers.postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


class Shop:
    """Starts, kills and restarts the parts of a shop."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.valkey = Valkey(directory / "valkey")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **os.environ,
            "VAR_DIR": str(directory / "var"),
            "REDIS_URL": self.valkey.url(0),
            "CELERY_BROKER_URL": self.valkey.url(1),
            "CACHE_URL": self.valkey.url(2),
            "DATABASE_URL": self._new_database(),
            "PUBLIC_BASE_URL": self.address,
            "BIND": f"127.0.0.1:{self.port}",
            "WEB_CONCURRENCY": "2",
            "LOG_LEVEL": "INFO",
        }

    def _new_database(self) -> str:
        shutil.copytree(seeded().var, self.directory / "var")
        if servers.postgres is None:
            return f"sqlite:///{self.directory}/var/db.sqlite3"
        name = f"shop_{uuid.uuid4().hex}"
        _create_database(name, seeded().database)
        return servers.postgres.url(name)

    def manage(self, *arguments: str) -> str:
        """Run a management command on this shop; its output."""
        return manage(self.environment, *arguments)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Speak to the ledger behind everybody's back; the rows of a SELECT."""
        url = self.environment["DATABASE_URL"]
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as file:
                return list(file.execute(statement))
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def open(self, *, stock: int) -> None:
        """Everything up, sale 1 known to the line."""
        self.valkey.start()
        self.sql(f"UPDATE seckill_sale SET stock = {stock:d}")  # noqa: S608 (a number)
        for name in ("web", "worker", "beat"):
            self.start(name)
        await_that("sale 1 is open", lambda: self.progress().get("state") == "open")

    def start(self, name: str) -> None:
        """Start web, worker or beat."""
        command = {
            "web": ["-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "seckill.asgi"],
            "worker": [
                *("-m", "celery", "-A", "celery_task", "worker", "-Q", "orders,home", "-c", "2"),
                *("--without-gossip", "--without-mingle"),
            ],
            "beat": ["-m", "celery", "-A", "celery_task", "beat", "--pidfile="],
        }[name]
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *command], cwd=PROJECT, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def end(self, name: str, sent: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal to a part with all its children, and wait until it is gone."""
        process = self.processes.pop(name)
        os.killpg(process.pid, sent)
        process.wait(timeout=60)

    def close(self) -> None:
        """End whatever runs."""
        for name in list(self.processes):
            self.end(name, signal.SIGKILL)
        self.valkey.stop()

    def log(self, name: str) -> str:
        """What a part has printed so far."""
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def progress(self, sale: int = 1) -> dict[str, object]:
        """The progress of a sale; empty while the shop does not answer."""
        try:
            answer = httpx.get(f"{self.address}/api/sales/{sale}/progress", timeout=5)
        except httpx.TransportError:
            return {}
        document: dict[str, object] = answer.json()
        return document if answer.status_code == httpx.codes.OK else {}
