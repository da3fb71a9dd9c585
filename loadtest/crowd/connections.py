"""Connections: thousands of buyers keep theirs, as browsers do.

Before geventhttpclient uses a kept connection again it asks ``select`` whether it is still good, and ``select`` knows
no file number above 1023: with more buyers than that, every request would open a new connection and close the old one.
``poll`` knows them all.
"""

import select

from gevent.monkey import get_original
from geventhttpclient.connectionpool import ConnectionPool

_poll = get_original("select", "poll")


def _is_good(_pool: ConnectionPool, kept: object) -> bool:
    """Whether a kept connection may be used again: it is open, and nobody has sent or closed anything meanwhile."""
    fileno: int = getattr(kept, "fileno", lambda: -1)()
    if fileno < 0:
        return False
    looking = _poll()
    looking.register(fileno, select.POLLIN)
    return not looking.poll(0)


def keep_connections() -> None:
    """Let every connection pool of this process ask ``poll`` instead."""
    setattr(ConnectionPool, "_is_socket_alive", _is_good)  # noqa: B010 (it is theirs: a plain assignment is refused)
