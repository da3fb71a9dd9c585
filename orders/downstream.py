"""Downstream: the slow call that an order needs in many shops, to a warehouse or a card company. Simulated.

It is here for load tests, which set ``ORDER_WORK_SECONDS``; a shop puts its own call in this place. It is made once a
place is reserved and before its order is written, so it has to bear being repeated: after a crash the place is reserved
and called for again, under the same buyer and sale.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings


def call_for(buyers: Sequence[str]) -> None:
    """Make the call for each buyer, ``ORDER_WORK_AT_ONCE`` at a time; returns when all are through."""
    if not settings.ORDER_WORK_SECONDS:
        return
    with ThreadPoolExecutor(settings.ORDER_WORK_AT_ONCE, thread_name_prefix="downstream") as calls:
        for _ in calls.map(_call, buyers):
            pass


def _call(buyer: str) -> None:  # noqa: ARG001 (a real one would say whose order it is)
    time.sleep(settings.ORDER_WORK_SECONDS)
