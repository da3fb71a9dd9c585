"""Loaded into a worker by ``--include``: its children believe that their last result was never read."""

import sys

from billiard import pool
from billiard.pool import Worker

ensure_read = Worker._ensure_messages_consumed


def ensure_one_more(self: Worker, completed: int) -> bool:
    """Report one more result than was sent, so that one is never read. Prints how long the child waits for it."""
    seconds = pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT * pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL
    print(f"unread for {seconds:.1f} s", file=sys.stderr, flush=True)
    return bool(ensure_read(self, completed + 1))


Worker._ensure_messages_consumed = ensure_one_more
