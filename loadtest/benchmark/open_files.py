"""Open files: each connection is one, here and in the shop, and the system has a limit."""

import resource

SPARE = 500  #: files that a process has open besides


def raise_limit() -> None:
    """Let this process, and what it starts, open as many files as the system's hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def can_open(connections: int) -> bool:
    """Whether one process may hold so many."""
    return limit() >= connections + SPARE


def limit() -> float:
    """How many files one process may open; infinite where there is no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if soft == resource.RLIM_INFINITY else soft
