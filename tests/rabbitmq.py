"""A RabbitMQ server for the tests: one node with its own data directory."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from devtools.embedded.child import Child
from devtools.embedded.ports import free_port
from devtools.waiting import wait_until
from tests.machine import install

PROGRAMS = ("/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
START_SECONDS_MAX = 240  # only to end a hang
END_SECONDS_MAX = 60
VHOST, USER, PASSWORD = "seckill", "shop", "of-the-tests"


class NoRabbitError(Exception):
    """RabbitMQ is not on this machine and could not be installed; the message says why."""


def find_programs() -> Path:
    """Return the directory of its programs, installing them as root on Debian. Raises NoRabbitError."""
    if found := _found():
        return found
    if reason := install("rabbitmq-server"):
        raise NoRabbitError(reason)
    if found := _found():
        return found
    raise NoRabbitError("apt installed rabbitmq-server, and it is not where it should be")


def _found() -> Path | None:
    for directory in PROGRAMS:
        if (Path(directory) / "rabbitmq-server").exists():
            return Path(directory)
    on_path = shutil.which("rabbitmq-server")
    return Path(on_path).resolve().parent if on_path else None


class Rabbit:
    """One server process and its data."""

    def __init__(self, directory: Path, *, address: str = "127.0.0.1") -> None:
        """Listen at this address only."""
        self.directory = directory
        self.address = address
        self.port = free_port()
        self.process: Child | None = None
        self._programs = find_programs()
        self._mapper: Child | None = None
        distribution = free_port()
        self.environment = {
            **os.environ,
            "HOME": str(directory),  # for the cookie of its command-line tools
            "RABBITMQ_NODENAME": f"tests-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": address,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            # The listener of its command-line tools, which by default binds to all interfaces.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(directory / "data"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(free_port()),
        }

    @property
    def url(self) -> str:
        """Return the broker URL for Celery, with a user limited to the tests' virtual host."""
        return f"amqp://{USER}:{PASSWORD}@{self.address}:{self.port}/{VHOST}"

    def start(self) -> None:
        """Start it and wait until it accepts connections. Raises NoRabbitError with its output."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "enabled_plugins").write_text("[].\n")
        (self.directory / "rabbitmq.conf").write_text("log.console = false\n")
        mapper = shutil.which("epmd")
        if mapper and self._mapper is None:  # otherwise the server starts one that outlives it
            self._mapper = Child([mapper], env=self.environment, stderr=None)
        with (self.directory / "output").open("ab") as output:
            self.process = Child(
                [self._programs / "rabbitmq-server"], env=self.environment, stdout=output, cwd=self.directory
            )
        try:
            wait_until("RabbitMQ has started or ended", self._has_started_or_ended, START_SECONDS_MAX)
        except TimeoutError as error:
            raise NoRabbitError(f"{error}\n{self._output()}") from None
        if self.process.poll() is not None:
            raise NoRabbitError(self._output())
        if VHOST not in self.control("list_vhosts").stdout.split():
            self.control("add_vhost", VHOST)
            self.control("add_user", USER, PASSWORD)
            self.control("set_permissions", "--vhost", VHOST, USER, ".*", ".*", ".*")
            self.control("delete_user", "guest")

    def _has_started_or_ended(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            return True
        return self.control("await_startup", "--timeout", "60", check=False).returncode == 0

    def _output(self) -> str:
        return (self.directory / "output").read_text(errors="replace")[-2000:]

    def control(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``rabbitmqctl`` with these arguments."""
        return subprocess.run(
            [self._programs / "rabbitmqctl", "--quiet", *arguments],
            env=self.environment, check=check, capture_output=True, text=True, cwd=self.directory,
        )  # fmt: skip

    def kill(self) -> None:
        """SIGKILL to all its processes."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=END_SECONDS_MAX)
        self.process = None

    def stop(self) -> None:
        """Stop it and its port mapper."""
        self.kill()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait(timeout=END_SECONDS_MAX)
