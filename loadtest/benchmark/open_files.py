"""Open-file limit: each connection needs a file descriptor in the load generator and one in the shop."""

import resource

SPARE = 500  #: other files a process has open


def raise_limit() -> None:
    """Raise the limit of this process and its children to the system's hard limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def can_open(connections: int) -> bool:
    """Return whether one process may hold this number of connections."""
    return limit() >= connections + SPARE


def limit() -> float:
    """Return the number of files one process may open; infinite when there is no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if soft == resource.RLIM_INFINITY else soft
