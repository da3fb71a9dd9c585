"""Passwords: hashing is slow on purpose, so this host spends one core on it at most.

Whoever logs in, registers or changes a password waits for a turn: in this process for its only thread that hashes, and
there, by a lock on `VAR_DIR`, for the other processes of the host. The kernel unlocks it when a process dies. It is on
the directory itself because a container might not let us write a file.
"""

import fcntl
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connections
from prometheus_client import Counter

from seckill.errors.busy import BusyError

POLL_SECONDS = 0.01  # how often the thread looks whether another process is done
TRANSACTION_WAIT_SECONDS = 0.1  # where locks are held that others need
NICENESS = 10  # of 19: what buyers wait for comes first; hashing takes what is left of a core

HASHES = Counter("seckill_password_hashes", "Passwords hashed, or refused because too many waited", ["result"])


class PasswordsBusyError(BusyError):
    """A password has waited too long for its turn to be hashed."""


class PasswordHasher(PBKDF2PasswordHasher):
    """Django's own, one hash at a time on this host. Checking a password is a hash, too."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """The hash. Connections to the database are let go meanwhile. Raises PasswordsBusyError."""
        wait_seconds = TRANSACTION_WAIT_SECONDS if _release_connections() else settings.PASSWORD_WAIT_SECONDS
        give_up_at = time.monotonic() + wait_seconds
        return _thread.submit(self._encode, password, salt, iterations, give_up_at).result()

    def _encode(self, password: str, salt: str, iterations: int | None, give_up_at: float) -> str:
        try:
            with _host_lock(give_up_at):
                encoded = super().encode(password, salt, iterations)
        except PasswordsBusyError:
            HASHES.labels("refused").inc()
            raise
        HASHES.labels("done").inc()
        return encoded


def _release_connections() -> bool:
    """Return this thread's connections to their pool; whether one had to be kept, because it is in a transaction."""
    kept = False
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            kept = True
        else:
            connection.close()
    return kept


@contextmanager
def _host_lock(give_up_at: float) -> Iterator[None]:
    """Keep the other processes waiting meanwhile. Raises PasswordsBusyError after ``give_up_at``."""
    directory = os.open(settings.VAR_DIR, os.O_RDONLY)
    try:
        while True:
            if time.monotonic() > give_up_at:
                raise PasswordsBusyError
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(POLL_SECONDS)
            else:
                break
        yield
    finally:
        os.close(directory)  # which unlocks it


def _lower_priority() -> None:
    """Linux has a priority for each thread; elsewhere this would be the whole process."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="password", initializer=_lower_priority)
