"""Clients: the connections of one process, and the limits that hold for all of them together."""

import asyncio
import resource
import time
from email.utils import formatdate
from typing import Protocol

import structlog

from seckill.gate.metrics import CONNECTIONS_REFUSED

log = structlog.get_logger(__name__)

CLIENTS_MAX = 10_000
OTHER_FILES = 200  # files and connections to servers that a process needs itself
BODIES_BYTES_MAX = 64 * 1024 * 1024  # of all request bodies that are being read

LOOK_SECONDS = 0.5
LOOK_AT_ONCE = 1_000  # connections; then whoever waits for the event loop has its turn
HEADERS_SECONDS = 10  # for the headers of a request, from its first byte
BODY_SECONDS = 60  # for the whole request
KEEP_ALIVE_SECONDS = 75  # who waits for the opening keeps the connection, and needs no new one in the rush
READING_SECONDS = 60  # for reading what is in the transport's buffer, 64 KiB or more
LINGER_SECONDS = 2  # for reading the answer to a refused request


class Client(Protocol):
    """A connection, as far as its limits are concerned. Times are `Clients.now`."""

    since: float  #: when the client was last answered, or began the message it is sending
    is_reading: bool
    has_headers: bool
    is_last: bool
    paused_since: float | None

    @property
    def is_answering(self) -> bool:
        """Whether a request is under way."""

    @property
    def is_closing(self) -> bool:
        """Whether the connection is closed as soon as the client has read everything."""

    def time_out(self) -> None:
        """Refuse a request that takes too long to arrive."""

    def close(self) -> None:
        """Close the connection when what was written has been sent."""

    def abort(self) -> None:
        """Close the connection at once."""


class Clients:
    """Knows every connection, the time, and how much is being read."""

    def __init__(self) -> None:
        self.date = b""  #: for the header Date
        self.now = 0.0  #: seconds, monotonic; moved twice a second, which is enough to see who is too slow
        self._clients: set[Client] = set()
        self._body_bytes = 0
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._clients_max = CLIENTS_MAX if files == resource.RLIM_INFINITY else min(CLIENTS_MAX, files - OTHER_FILES)
        self._tick()

    def add(self, client: Client) -> bool:
        """Take a client in; False when there are too many."""
        if len(self._clients) >= self._clients_max:
            CONNECTIONS_REFUSED.inc()
            return False
        self._clients.add(client)
        return True

    def discard(self, client: Client) -> None:
        """Forget a client."""
        self._clients.discard(client)

    def take_body_bytes(self, count: int) -> bool:
        """Count bytes of a body that is being read (negative: they are not kept any more); False: too many."""
        if count > 0 and self._body_bytes + count > BODIES_BYTES_MAX:
            return False
        self._body_bytes += count
        return True

    async def watch(self) -> None:
        """Look at all clients twice a second, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._tick()
            clients = list(self._clients)
            for start in range(0, len(clients), LOOK_AT_ONCE):
                for client in clients[start : start + LOOK_AT_ONCE]:
                    _look_at(client, self.now)
                await asyncio.sleep(0)

    def _tick(self) -> None:
        self.date = formatdate(time.time(), usegmt=True).encode()
        self.now = time.monotonic()


def _look_at(client: Client, now: float) -> None:
    """End a connection that is over its time. `Clients.now` may lag by `LOOK_SECONDS`, which is to nobody's harm."""
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
    if now - since > seconds + LOOK_SECONDS:
        end()
