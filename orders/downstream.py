"""Downstream: the slow call that an order needs in many shops, to a warehouse or a card company. Simulated.

It is here for load tests, which set ``DOWNSTREAM_DELAY_SECONDS``; a shop puts its own call in this place. It is made once a
place is reserved and before its order is written, so it has to bear being repeated: after a crash the place is reserved
and called for again, under the same buyer and sale.

Workers that make such calls wait most of the time: give them threads (``--pool threads``).
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from django.conf import settings
from django.db import connection


@cache
def _calls() -> threading.BoundedSemaphore:
    """The calls this process may still begin."""
    return threading.BoundedSemaphore(settings.DOWNSTREAM_MAX_CONCURRENCY)


class ConcurrencyLimiter:
    """The right to make some calls now. Places are claimed only with it: a reservation that queued here would go stale."""

    def __init__(self, wanted: int) -> None:
        """Wait for one slot; then take as many as are free, ``wanted`` at most. Without slow calls nothing is taken."""
        self.count = wanted
        self._taken = 0
        if settings.DOWNSTREAM_DELAY_SECONDS:
            self._taken = int(_calls().acquire())
            while self._taken < wanted and _calls().acquire(blocking=False):
                self._taken += 1
            self.count = self._taken

    def call_downstream(self, buyers: Sequence[str]) -> None:
        """Give back what is not needed, and make the call for each buyer side by side; returns when all are through."""
        if not settings.DOWNSTREAM_DELAY_SECONDS:
            return
        self._give_back(self._taken - len(buyers))
        if not connection.in_atomic_block:
            connection.close()  # back to the pool: nobody should hold one and wait
        with ThreadPoolExecutor(len(buyers), thread_name_prefix="downstream") as threads:
            for _ in threads.map(_call, buyers):
                pass

    def close(self) -> None:
        """Give back what is left."""
        self._give_back(self._taken)

    def _give_back(self, slots: int) -> None:
        if slots:
            self._taken -= slots
            _calls().release(slots)


def _call(buyer: str) -> None:  # noqa: ARG001 (a real one would say whose order it is)
    time.sleep(settings.DOWNSTREAM_DELAY_SECONDS)
