"""Running demo: how ``manage.py`` finds the line and the secrets of a demo that runs from this checkout.

The demo writes them to ``demo.env`` and holds a lock on ``demo.lock`` as long as it runs. Only ``manage.py`` uses the
file, and only while the lock is held, so a checkout that once ran the demo starts nothing with the demo's secrets. The
kernel releases the lock of a process that was killed.

The lock is a POSIX record lock: unlike one by ``flock``, it does not pass to the processes that the demo forks.
"""

import fcntl
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from seckill.environment import BASE_DIR, DEBUG

LOCK = "demo.lock"
FILE = "demo.env"
#: Where a shop's data is; each of them set, and not the demo's, means another shop.
ADDRESSES = ("DATABASE_URL", "REDIS_URL", "CACHE_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")


class DemoRunsError(Exception):
    """Another demo runs in this directory."""


def hold_lock(var: Path) -> TextIO:
    """Lock a demo's directory; the lock is held until the process ends or the returned file is closed.

    Nothing else in this process may open the file: closing it once would release the lock.

    Raises:
        DemoRunsError: another process holds the lock.
    """
    file = (var / LOCK).open("a")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise DemoRunsError from error
    return file


def is_running(var: Path) -> bool:
    """Return whether another process holds the lock of this demo's directory."""
    with suppress(FileNotFoundError), (var / LOCK).open() as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def read_values(var: Path) -> dict[str, str]:
    """Return what the last demo in this directory wrote; empty if there was none."""
    with suppress(FileNotFoundError):
        return dict(line.split("=", 1) for line in (var / FILE).read_text().splitlines())
    return {}


def write_values(var: Path, values: Mapping[str, str]) -> None:
    """Write the demo's variables to its file, readable by its owner only."""
    file = var / FILE
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def use_running_demo(environment: MutableMapping[str, str]) -> None:
    """Add the variables of a running demo to an environment without a ``SECRET_KEY``, and say so on stderr.

    Nothing is added in development (``DEBUG``), or if a variable is already set to another value: the demo's ledger
    with another shop's line would be no shop.
    """
    var = Path(environment.get("SECKILL_VAR_DIR", BASE_DIR / "var")).resolve()
    if DEBUG or environment.get("SECRET_KEY") or not is_running(var):
        return
    values = read_values(var)
    if all(environment.get(name) in (None, "", values.get(name)) for name in {*values, *ADDRESSES}):
        environment.update(values)
        sys.stderr.write(f"Using the running demo ({var / FILE}).\n")
