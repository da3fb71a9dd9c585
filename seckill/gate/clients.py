"""Clients: the connections of a process, the limits on all of them together, and the time limits of each."""

import asyncio
import resource
import time
from email.utils import formatdate
from typing import Protocol

import structlog

from seckill import conf
from seckill.gate.metrics import CONNECTIONS_REFUSED

log = structlog.get_logger(__name__)

CLIENTS_MAX = conf.CLIENTS_MAX
OTHER_FILES = 200  # file descriptors for the files of a process and its connections to other servers
BODIES_BYTES_MAX = conf.BODIES_BYTES_MAX

CHECK_INTERVAL_SECONDS = 0.5
CHECKS_PER_TURN = 1_000  # connections to check before the event loop runs other tasks
HEADERS_SECONDS = conf.HEADERS_SECONDS
BODY_SECONDS = conf.BODY_SECONDS
KEEP_ALIVE_SECONDS = conf.KEEP_ALIVE_SECONDS
READING_SECONDS = conf.READING_SECONDS
LINGER_SECONDS = 2  # for the client to read the response to a refused request


class LimitedConnection(Protocol):
    """A connection, as `Clients` checks its limits. Times are values of `Clients.now`."""

    since: float  #: when the last response was sent, or the first byte of the present request came
    is_reading: bool
    has_headers: bool
    is_last: bool
    paused_since: float | None

    @property
    def is_answering(self) -> bool:
        """Whether a request waits for its response."""

    @property
    def is_closing(self) -> bool:
        """Whether the connection closes as soon as the client has read everything."""

    def time_out(self) -> None:
        """Refuse a request that takes too long to arrive."""

    def close(self) -> None:
        """Close the connection after sending what was written."""

    def abort(self) -> None:
        """Close the connection at once."""


class Clients:
    """The open connections, their time limits, and the bytes of their request bodies."""

    def __init__(self) -> None:
        self.date = b""  #: value of the header Date
        self.now = 0.0  #: monotonic seconds, updated twice a second, which is precise enough for the time limits
        self._clients: set[LimitedConnection] = set()
        self._body_bytes = 0
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._clients_max = CLIENTS_MAX if files == resource.RLIM_INFINITY else min(CLIENTS_MAX, files - OTHER_FILES)
        self._tick()

    def add(self, client: LimitedConnection) -> bool:
        """Add a client. Return False if there are too many."""
        if len(self._clients) >= self._clients_max:
            CONNECTIONS_REFUSED.inc()
            return False
        self._clients.add(client)
        return True

    def discard(self, client: LimitedConnection) -> None:
        """Remove a client."""
        self._clients.discard(client)

    def take_body_bytes(self, count: int) -> bool:
        """Count ``count`` more bytes of request bodies (negative: fewer). Return False, counting none, if too many."""
        if count > 0 and self._body_bytes + count > BODIES_BYTES_MAX:
            return False
        self._body_bytes += count
        return True

    async def watch(self) -> None:
        """Check all clients twice a second, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL_SECONDS)
            self._tick()
            clients = list(self._clients)
            for start in range(0, len(clients), CHECKS_PER_TURN):
                for client in clients[start : start + CHECKS_PER_TURN]:
                    _check(client, self.now)
                await asyncio.sleep(0)

    def _tick(self) -> None:
        self.date = formatdate(time.time(), usegmt=True).encode()
        self.now = time.monotonic()


def _check(client: LimitedConnection, now: float) -> None:
    """Close a connection over its time limit plus `CHECK_INTERVAL_SECONDS`, by which `Clients.now` may lag."""
    since, end = client.since, client.close
    if client.is_closing:
        seconds, end = READING_SECONDS, client.abort
    elif client.paused_since is not None:
        since, seconds, end = client.paused_since, READING_SECONDS, client.abort
    elif client.is_answering:
        return
    elif client.is_last:
        seconds = LINGER_SECONDS
    elif client.is_reading:
        seconds = BODY_SECONDS if client.has_headers else HEADERS_SECONDS
        end = client.time_out
    else:
        seconds = KEEP_ALIVE_SECONDS
    if now - since > seconds + CHECK_INTERVAL_SECONDS:
        end()
