"""Passwords: hashing is slow by design, so each host hashes one password at a time.

Logging in, registering and changing a password wait twice: for the process's only hashing thread, and in that thread
for a lock shared by all processes of the host. The lock is on the directory ``SECKILL_VAR_DIR``, because a container
may not allow writing a file. The kernel releases it when a process dies.
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

POLL_SECONDS = 0.01  # interval between attempts to take the host's lock
TRANSACTION_WAIT_SECONDS = 0.1  # shorter inside a transaction, which may hold row locks
NICENESS = 10  # of 19: buyers' requests come first; hashing gets the rest of a core

HASHES = Counter("seckill_password_hashes", "Passwords hashed, or refused because too many waited", ["result"])


class PasswordsBusyError(BusyError):
    """A password waited too long to be hashed."""


class PasswordHasher(PBKDF2PasswordHasher):
    """Django's PBKDF2 hasher, one hash at a time per host. Checking a password also hashes it."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Return the encoded hash. Database connections go back to their pool while waiting, except in a transaction.

        Raises:
            PasswordsBusyError: the turn did not come in time.
        """
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
    """Return this thread's connections to their pool. Return whether one was kept because it is in a transaction."""
    kept = False
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            kept = True
        else:
            connection.close()
    return kept


@contextmanager
def _host_lock(give_up_at: float) -> Iterator[None]:
    """Hold the host's lock.

    Raises:
        PasswordsBusyError: the lock was not free before ``give_up_at`` (``time.monotonic`` seconds).
    """
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
        os.close(directory)  # releases the lock


def _lower_priority() -> None:
    """Lower the thread's priority on Linux. Elsewhere the call would affect the whole process."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="password", initializer=_lower_priority)
