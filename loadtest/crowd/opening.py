"""The opening: all buyers of this process wait for the sale together and are released at once."""

import gc
import itertools
import json
import os
import time
from datetime import datetime
from pathlib import Path

import gevent
from gevent.event import Event
from geventhttpclient import HTTPClient
from geventhttpclient.url import URL
from locust.env import Environment

LOOK_AGAIN_SECONDS = 0.5


class Opening:
    """Waits for a sale to open by the server's clock; one greenlet polls for all waiting buyers.

    The shop may change the opening time while buyers wait. The number of waiting buyers is kept in a file, for the
    process that prepares the crowd.
    """

    def __init__(self, environment: Environment, sale: int, directory: Path | None) -> None:
        """Write the file ``waiting.PID`` to ``directory``, unless it is None."""
        self._environment = environment
        self._sale = sale
        self._file = directory / f"waiting.{os.getpid()}" if directory else None
        self._opened = Event()
        self._watching: gevent.Greenlet | None = None
        self.waiting = 0  #: buyers who are ready and wait
        self._opened_at = 0.0  # by the monotonic clock

    def wait(self) -> None:
        """Return when the sale is open."""
        if self._opened.is_set():
            return
        self.waiting += 1
        if self._watching is None:
            self._watching = gevent.spawn(self._watch)
        self._opened.wait()

    def seconds_open(self) -> float:
        """Return how long the sale has been open; 0 before."""
        return time.monotonic() - self._opened_at if self._opened.is_set() else 0.0

    def _watch(self) -> None:
        for _ in itertools.count():
            if self._file:
                self._file.write_text(str(self.waiting))
            left = self._seconds_left()
            if left is not None and left <= LOOK_AGAIN_SECONDS:
                gevent.sleep(max(0, left))
                gc.freeze()  # a crowd is a large heap; garbage collection must not scan it during the rush
                self._opened_at = time.monotonic()
                self._opened.set()
                return
            gevent.sleep(LOOK_AGAIN_SECONDS)

    def _seconds_left(self) -> float | None:
        """Return the time until the sale opens, 0 when open; None when the response does not say."""
        url = URL(str(self._environment.host))
        client = HTTPClient.from_url(url, connection_timeout=5, network_timeout=30)
        try:
            answer = client.get(f"{url.path.rstrip('/')}/api/sales/{self._sale}/")
            if answer.status_code != 200:  # noqa: PLR2004 (it says what it is)
                return None
            document = json.loads(answer.read())
        except (OSError, ValueError):
            return None
        finally:
            client.close()
        opens_at, now = (datetime.fromisoformat(document[name]) for name in ("opens_at", "server_time"))
        return max(0.0, (opens_at - now).total_seconds())
