"""Loaded into a worker by ``--include``: to its children it looks as if their last result was never read."""

from billiard.pool import Worker

ensure_read = Worker._ensure_messages_consumed


def ensure_one_more(self: Worker, completed: int) -> bool:
    """There is one that nobody has sent, and so nobody reads."""
    return bool(ensure_read(self, completed + 1))


Worker._ensure_messages_consumed = ensure_one_more
