"""Connections: thousands of buyers keep theirs open, as browsers do.

geventhttpclient calls ``select`` to check a kept connection before reuse, and ``select`` does not support file
descriptors above 1023. With more buyers than that every request would open a new connection and close the old one.
``poll`` has no such limit.
"""

import select

from gevent.monkey import get_original
from geventhttpclient.connectionpool import ConnectionPool

_poll = get_original("select", "poll")


def _is_good(_pool: ConnectionPool, kept: object) -> bool:
    """Return whether a kept connection can be reused: it is open, with no unread data."""
    fileno: int = getattr(kept, "fileno", lambda: -1)()
    if fileno < 0:
        return False
    looking = _poll()
    looking.register(fileno, select.POLLIN)
    return not looking.poll(0)


def keep_connections() -> None:
    """Make every connection pool of this process use ``poll`` instead of ``select``."""
    setattr(ConnectionPool, "_is_socket_alive", _is_good)  # noqa: B010 (it is theirs: a plain assignment is refused)
