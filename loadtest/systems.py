"""The three systems: how each handles a purchase, and the processes it consists of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from devtools.embedded.shop import QUIET_PROCESSES, WORKER

WEB_PROCESSES = 2
THREADS = 50  #: of each process that serves one request per thread; together 100 request slots

_THREADED_WEB = ("-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "-k", "gthread", "--threads", str(THREADS))
_BASELINE_WORKER = (
    *("-m", "celery", "-A", "loadtest.baseline.celery", "worker", "--loglevel", "WARNING"),
    *("--without-gossip", "--without-mingle"),
)

# A task that mostly waits gets a thread. All systems may make the same number of slow calls at once.
SLOW_CALLS = WEB_PROCESSES * THREADS
_WAITS = ("--pool", "threads", "--concurrency", str(SLOW_CALLS))


@dataclass(frozen=True, slots=True)
class System:
    """One way to handle a purchase."""

    name: str
    sentence: str  #: description for a report
    parts: Mapping[str, tuple[str, ...]]  #: its processes, as arguments of Python
    slow_parts: Mapping[str, tuple[str, ...]]  #: processes that differ when an order needs a slow call
    environment: Mapping[str, str] = field(default_factory=dict)
    valkey_flags: Sequence[str] = ()
    buys_inside: bool = False  #: whether the purchase's response is the outcome
    calling_processes: int = 1  #: number of processes that make the slow calls
    has_line: bool = True  #: whether places are kept in the product's line


LINE = System(
    name="line",
    sentence="This project: a purchase takes a place in line and is answered; one message settles a group of places.",
    parts=QUIET_PROCESSES,
    slow_parts={"worker": (*WORKER, *_WAITS, "--loglevel", "WARNING")},
)
SYNC = System(
    name="sync",
    sentence="Everything inside the request: unit, order and answer, by a thread of gunicorn that is busy meanwhile.",
    # Worker and beat are the product's. Here they open and close the sale and settle nothing.
    parts={**LINE.parts, "web": (*_THREADED_WEB, "seckill.wsgi")},
    slow_parts={},
    environment={"DATABASE_POOL_SIZE": str(THREADS)},
    buys_inside=True,
    calling_processes=WEB_PROCESSES,
)
NAIVE = System(
    name="naive",
    sentence="As tutorials do it: one message, one decrement and one INSERT a purchase; buyers poll the task's result.",
    parts={
        "web": (*_THREADED_WEB, "loadtest.baseline.wsgi"),
        "worker": (*_BASELINE_WORKER, "--concurrency", str(WEB_PROCESSES)),
    },
    slow_parts={"worker": (*_BASELINE_WORKER, *_WAITS)},
    environment={"DATABASE_POOL_SIZE": str(SLOW_CALLS), "DJANGO_SETTINGS_MODULE": "loadtest.baseline.settings"},
    # With Valkey's default log sync, as most people run it. A sync at each of its nine commands per purchase would
    # be an unfair comparison. Its 202 is only as durable as the last second.
    valkey_flags=("--appendfsync", "everysec"),
    has_line=False,
)
SYSTEMS = {system.name: system for system in (SYNC, NAIVE, LINE)}
