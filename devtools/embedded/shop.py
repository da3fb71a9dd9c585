"""A whole shop as child processes: web, worker and beat, with their own Valkey and database."""

import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import redis
from honcho.environ import parse_procfile

from devtools.embedded.child import Child
from devtools.embedded.ports import free_port
from devtools.embedded.postgres import Postgres
from devtools.embedded.valkey import Valkey
from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from seckill.line.keys import sale_keys

PROJECT = Path(__file__).resolve().parents[2]


def _read_procfile() -> dict[str, tuple[str, ...]]:
    """Return the Procfile's processes as arguments of the Python interpreter, without Flower: it needs a password."""
    lines = parse_procfile((PROJECT / "Procfile").read_text()).processes
    return {name: ("-m", *shlex.split(line)) for name, line in lines.items() if name != "flower"}


#: Arguments of the Python interpreter for each process of the shop, by name: the Procfile's.
PROCESSES = _read_procfile()
#: The same, with few log lines.
QUIET_PROCESSES = {
    name: arguments if name == "web" else (*arguments, "--loglevel", "WARNING") for name, arguments in PROCESSES.items()
}
WEB, WORKER, EXPORTS, BEAT = (PROCESSES[name] for name in ("web", "worker", "exports", "beat"))


def manage(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a management command and return its output.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True, start_new_session=True,
    ).stdout  # fmt: skip


def run_sql(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one SQL statement and return the rows of a SELECT."""
    if database_url.startswith("sqlite"):
        path = database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as file:
            return list(file.execute(statement))
    with psycopg.connect(database_url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


class Seed:
    """A template of a shop's initial data, created once and copied for each shop."""

    def __init__(self, directory: Path, postgres: Postgres | None) -> None:
        """Run migrate, collectstatic and seed_demo, on ``postgres`` or, if None, on SQLite."""
        self._directory = directory
        self._postgres = postgres
        if postgres is None:
            url = f"sqlite:///{directory}/db.sqlite3"
        else:
            self._name = f"seeded_{uuid.uuid4().hex}"
            self._create_database(self._name, template="template1")
            url = postgres.url(self._name)
        environment = {"SECRET_KEY": "of-no-use-once-the-data-are-made-----", **os.environ, "DATABASE_URL": url}
        environment |= {"VAR_DIR": str(directory)}
        manage(environment, "migrate", "--verbosity", "0")
        manage(environment, "collectstatic", "--noinput", "--verbosity", "0")
        manage(environment, "seed_demo")

    def copy_to(self, var: Path) -> str:
        """Copy the files to ``var`` and the rows to a new database; return the database's URL."""
        shutil.copytree(self._directory, var)
        if self._postgres is None:
            return f"sqlite:///{var}/db.sqlite3"
        name = f"shop_{uuid.uuid4().hex}"
        self._create_database(name, template=self._name)
        return self._postgres.url(name)

    def _create_database(self, name: str, *, template: str) -> None:
        assert self._postgres is not None  # noqa: S101 (for the type checker: callers check it)
        with psycopg.connect(self._postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


class Shop:
    """Starts, stops and restarts the parts of a shop, each in its own process group."""

    def __init__(
        self,
        directory: Path,
        seed: Seed,
        parts: Mapping[str, tuple[str, ...]],
        environment: Mapping[str, str] | None = None,
        valkey_flags: Sequence[str] = (),
    ) -> None:
        """Prepare a shop; ``parts`` maps names to Python arguments, ``environment`` overrides the default settings."""
        self.directory = directory
        self.parts = parts
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.valkey = Valkey(directory / "valkey", flags=valkey_flags)
        self.processes: dict[str, Child] = {}
        self.environment = {
            **os.environ,
            "VAR_DIR": str(directory / "var"),
            "REDIS_URL": self.valkey.url(0),
            "CELERY_BROKER_URL": self.valkey.url(1),
            "CACHE_URL": self.valkey.url(2),
            "DATABASE_URL": seed.copy_to(directory / "var"),
            "PUBLIC_BASE_URL": self.address,
            "BIND": f"127.0.0.1:{self.port}",
            "WEB_CONCURRENCY": "2",
            **(environment or {}),
        }

    def manage(self, *arguments: str) -> str:
        """Run a management command on this shop and return its output."""
        return manage(self.environment, *arguments)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run an SQL statement directly on the ledger and return the rows of a SELECT."""
        return run_sql(self.environment["DATABASE_URL"], statement)

    def open(self, *, stock: int) -> None:
        """Start all parts and wait until the shop is ready. With beat, also wait until sale 1 is loaded in Redis."""
        self.valkey.start()
        self.sql(f"UPDATE catalog_sale SET stock = {stock:d}")  # noqa: S608 (an int)
        for name in self.parts:
            self.start(name)
        wait_until("the shop is ready", lambda: self.get("/readyz"))
        if "beat" in self.parts:
            with redis.Redis.from_url(self.environment["REDIS_URL"]) as line:
                wait_until("sale 1 is in the line", lambda: line.exists(sale_keys(1).meta))

    def start(self, name: str) -> None:
        """Start one part."""
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = Child(
                [sys.executable, *self.parts[name]], cwd=PROJECT, env=self.environment_of(name), stdout=log
            )

    def environment_of(self, name: str) -> Mapping[str, str]:  # noqa: ARG002 (a subclass varies it by part)
        """Return the environment variables of a part."""
        return self.environment

    def end(self, name: str, sent: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal to a part and all its children, and wait until the part exits."""
        process = self.processes.pop(name)
        os.killpg(process.pid, sent)
        process.wait(timeout=WAIT_SECONDS_MAX)

    def close(self) -> None:
        """Kill all parts and stop Valkey."""
        for name in list(self.processes):
            self.end(name, signal.SIGKILL)
        self.valkey.stop()

    def log(self, name: str) -> str:
        """Return the output of a part so far."""
        file = self.directory / f"{name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def progress(self, sale: int = 1) -> dict[str, Any]:
        """Return the progress document of a sale; empty while the shop does not respond."""
        return self.get(f"/api/sales/{sale}/progress")

    def get(self, path: str) -> dict[str, Any]:
        """Return a JSON document of this shop; empty on an error status or without a response."""
        try:
            with urllib.request.urlopen(f"{self.address}{path}", timeout=30) as answer:  # noqa: S310 (a local address)
                document: dict[str, Any] = json.load(answer)
        except (urllib.error.URLError, OSError):
            return {}
        return document
