"""Hosts on one machine: network namespaces, each with its own interface connected to a bridge.

Several networks can exist at once. Each has a number, reserved by an abstract socket of that name; the kernel closes
the socket when the process ends, however it ends.

A pulled cable drops packets in both directions. Connections are not closed, so neither end notices.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from tests.machine import install

AT_ONCE_MAX = 20


class NoNetworkError(Exception):
    """Network namespaces cannot be created here; the message says why."""


def _ip(*arguments: str, check: bool = True) -> str:
    command = ["ip", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise NoNetworkError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


class Network:
    """A bridge with an address on this machine, and one host per name: ``with Network([…]) as network:``."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = {name: number for number, name in enumerate(hosts, start=2)}

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise NoNetworkError("only root can make namespaces")
        if shutil.which("ip") is None and (reason := install("iproute2")):
            raise NoNetworkError(reason)
        self._number, self._hold = _take_number()
        self._bridge = f"sk{self._number}"
        self._subnet = f"10.200.{self._number}"
        self.range = f"{self._subnet}.0/24"
        self.address = f"{self._subnet}.1"  #: of the bridge; servers listen here
        try:
            _ip("link", "add", self._bridge, "type", "bridge")
            _ip("address", "add", f"{self.address}/24", "dev", self._bridge)
            _ip("link", "set", self._bridge, "up")
            for host in self._hosts:
                self._add(host)
        except NoNetworkError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _remove(self._number)
        self._hold.close()

    def address_of(self, host: str) -> str:
        """Return a host's address."""
        return f"{self._subnet}.{self._hosts[host]}"

    def inside(self, host: str) -> list[str]:
        """Return the prefix of a command that runs on a host."""
        return ["ip", "netns", "exec", self._namespace(host)]

    def pull_cable(self, host: str) -> None:
        """Drop all packets from now on."""
        _ip("link", "set", self._cable(host), "down")

    def plug_cable(self, host: str) -> None:
        """Deliver packets again."""
        _ip("link", "set", self._cable(host), "up")

    def _add(self, host: str) -> None:
        namespace, cable = self._namespace(host), self._cable(host)
        _ip("netns", "add", namespace)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("link", "set", cable, "master", self._bridge, "up")
        _ip("-n", namespace, "address", "add", f"{self.address_of(host)}/24", "dev", "eth0")
        _ip("-n", namespace, "link", "set", "eth0", "up")
        _ip("-n", namespace, "link", "set", "lo", "up")

    def _namespace(self, host: str) -> str:
        return f"seckill-{self._number}-{host}"

    def _cable(self, host: str) -> str:
        return f"{self._bridge}h{self._hosts[host]}"


def _take_number() -> tuple[int, socket.socket]:
    """Return the first free number and the socket that holds it; remove what killed test runs left behind."""
    taken = None
    for number in range(AT_ONCE_MAX):
        hold = socket.socket(socket.AF_UNIX)
        try:
            hold.bind(f"\0seckill-network-{number}")
        except OSError:
            hold.close()
            continue
        _remove(number)
        if taken is None:
            taken = number, hold
        else:
            hold.close()
    if taken is None:
        raise NoNetworkError(f"there are {AT_ONCE_MAX} networks already")
    return taken


def _remove(number: int) -> None:
    """Remove the network of this number and kill processes on its hosts."""
    for namespace in _namespaces():
        if namespace.startswith(f"seckill-{number}-"):
            for inhabitant in _ip("netns", "pids", namespace, check=False).split():
                with suppress(ProcessLookupError):
                    os.kill(int(inhabitant), signal.SIGKILL)
            _ip("netns", "delete", namespace, check=False)
    for interface in re.findall(rf"\d+: (sk{number}(?:h\d+)?)[@:]", _ip("-oneline", "link", check=False)):
        _ip("link", "delete", interface, check=False)


def _namespaces() -> list[str]:
    return [line.split()[0] for line in _ip("netns", "list", check=False).splitlines()]
