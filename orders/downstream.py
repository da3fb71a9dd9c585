"""Downstream: a simulated slow call per order, such as to a warehouse or a payment provider.

Load tests enable the call with ``SECKILL_DOWNSTREAM_DELAY_SECONDS``; a shop replaces it with its own. The call happens
after a place is reserved and before its order is written. It must be idempotent per buyer and sale: after a crash the
place is reserved again and the call is repeated.

Workers spend most of the call waiting, so run them with ``--pool threads``.
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
    """Return the semaphore that limits concurrent calls in this process."""
    return threading.BoundedSemaphore(settings.DOWNSTREAM_MAX_CONCURRENCY)


class ConcurrencyLimiter:
    """Slots for concurrent downstream calls, limited per process.

    Take slots before reserving places: the lease of a reservation that waits for a slot could expire.
    """

    def __init__(self, wanted: int) -> None:
        """Wait for one slot, then take up to ``wanted`` free ones. Take none if downstream calls are disabled."""
        self.count = wanted
        self._taken = 0
        if settings.DOWNSTREAM_DELAY_SECONDS:
            self._taken = int(_calls().acquire())
            while self._taken < wanted and _calls().acquire(blocking=False):
                self._taken += 1
            self.count = self._taken

    def call_downstream(self, buyers: Sequence[str]) -> None:
        """Return unneeded slots, call downstream for all buyers concurrently, and wait for every call."""
        if not settings.DOWNSTREAM_DELAY_SECONDS:
            return
        self._give_back(self._taken - len(buyers))
        if not connection.in_atomic_block:
            connection.close()  # return it to the pool: do not hold a connection while waiting
        with ThreadPoolExecutor(len(buyers), thread_name_prefix="downstream") as threads:
            for _ in threads.map(_call, buyers):
                pass

    def close(self) -> None:
        """Return the remaining slots."""
        self._give_back(self._taken)

    def _give_back(self, slots: int) -> None:
        if slots:
            self._taken -= slots
            _calls().release(slots)


def _call(buyer: str) -> None:  # noqa: ARG001 (a real call would name the buyer)
    time.sleep(settings.DOWNSTREAM_DELAY_SECONDS)
