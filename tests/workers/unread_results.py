"""Loaded into a worker by ``--include``: to its children it looks as if their last result was never read."""

import sys

from billiard import pool
from billiard.pool import Worker

ensure_read = Worker._ensure_messages_consumed


def ensure_one_more(self: Worker, completed: int) -> bool:
    """There is one that nobody has sent, and so nobody reads. Says for how long it is waited for."""
    seconds = pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT * pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL
    print(f"unread for {seconds:.1f} s", file=sys.stderr, flush=True)
    return bool(ensure_read(self, completed + 1))


Worker._ensure_messages_consumed = ensure_one_more
