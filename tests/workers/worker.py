"""A real worker (or beat) in its own process, on the servers and the database of the tests."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from django.db import connection

from devtools.embedded.child import Child
from devtools.embedded.shop import PROJECT
from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from tests import servers


def database_url() -> str:
    """Return the test's database. Other processes see only committed rows (``transactional_db``)."""
    if connection.vendor == "sqlite":
        return f"sqlite:///{connection.settings_dict['NAME']}"
    assert servers.postgres is not None
    return servers.postgres.url(str(connection.settings_dict["NAME"]))


class Process:
    """A Celery process that can be killed, with a readable log."""

    def __init__(
        self, directory: Path, name: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        """``arguments`` are those of ``celery -A celery_task``."""
        self.name = name
        self._log = directory / f"{name}.log"
        self._arguments = arguments
        self._environment = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "HOST": name,
            "LOG_LEVEL": "INFO",
            **(environment or {}),
        }
        self._process: Child | None = None

    def start(self) -> None:
        """Start it without waiting until it is ready."""
        with self._log.open("ab") as log:
            self._process = Child(self.command(), cwd=PROJECT, env=self._environment, stdout=log)

    def command(self) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "celery", "-A", "celery_task", *self._arguments]

    @property
    def pid(self) -> int:
        """Return the id of its main process."""
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        """Return its output so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def await_log(self, text: str) -> None:
        """Return once it has printed this."""
        wait_until(f"{self.name} says {text!r}", lambda: text in self.log() or self.has_ended())
        assert text in self.log(), self.log()[-3000:]

    def has_ended(self) -> bool:
        """Return whether its main process has ended."""
        return self._process is not None and self._process.poll() is not None

    def send(self, sent: signal.Signals) -> None:
        """Send a signal to its main process."""
        os.kill(self.pid, sent)

    def end(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait until it has ended, return its exit status. SIGKILL also kills its children."""
        if sent == signal.SIGKILL:
            os.killpg(self.pid, sent)
        else:
            self.send(sent)
        return self.await_end()

    def await_end(self) -> int:
        """Wait until it has ended; return its exit status."""
        assert self._process is not None
        return self._process.wait(timeout=WAIT_SECONDS_MAX)

    def close(self) -> None:
        """Kill everything that is left of it."""
        if self._process is not None and not self.has_ended():
            os.killpg(self.pid, signal.SIGCONT)
            self.end(signal.SIGKILL)


def worker(directory: Path, name: str, queues: str, *arguments: str, **more: Mapping[str, str]) -> Process:
    """Return a worker named ``name`` that is not started."""
    return Process(
        directory, name, "worker", "--hostname", f"{name}@%h", "--queues", queues, "--without-gossip",
        "--without-mingle", "--loglevel", "INFO", *arguments, **more,
    )  # fmt: skip
