"""Passwords: hashing is slow on purpose, so this host spends one core on it at most.

Whoever logs in, registers or changes a password waits for a turn: first among the threads of the process, then, by a
locked file, among the processes of the host. The kernel unlocks the file of a process that dies. Few may wait, and not
for long, because each of them keeps one of Django's threads from others: whoever comes then is told to come back.
"""

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connections
from prometheus_client import Counter

LOCK_FILE = settings.VAR_DIR / "password.lock"
LOOK_SECONDS = 0.01  # how often the next in this process looks whether another process is done

HASHES = Counter("seckill_password_hashes", "Passwords hashed, or refused because too many waited", ["result"])

_room = threading.BoundedSemaphore(1 + settings.PASSWORD_WAITING_MAX)
_turn = threading.Lock()


class PasswordsBusyError(Exception):
    """Too many passwords wait to be hashed, or this one has waited too long."""


class PasswordHasher(PBKDF2PasswordHasher):
    """Django's own, one hash at a time on this host. Checking a password is a hash, too."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """The hash. Raises PasswordsBusyError."""
        try:
            with turn():
                encoded = super().encode(password, salt, iterations)
        except PasswordsBusyError:
            HASHES.labels("refused").inc()
            raise
        HASHES.labels("done").inc()
        return encoded


@contextmanager
def turn() -> Iterator[None]:
    """Hash within this. Raises PasswordsBusyError.

    Connections to the database are let go meanwhile, except in a transaction: that holds locks others need, so there it
    is now or not at all.
    """
    in_transaction = False
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            in_transaction = True
        else:
            connection.close()
    give_up_at = time.monotonic() + (0 if in_transaction else settings.PASSWORD_WAIT_SECONDS)
    if not _room.acquire(blocking=False):
        raise PasswordsBusyError
    try:
        if not _turn.acquire(timeout=max(0, give_up_at - time.monotonic())):
            raise PasswordsBusyError
        try:
            with _locked_file(give_up_at):
                yield
        finally:
            _turn.release()
    finally:
        _room.release()


@contextmanager
def _locked_file(give_up_at: float) -> Iterator[None]:
    with LOCK_FILE.open("wb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= give_up_at:
                    raise PasswordsBusyError from None
                time.sleep(LOOK_SECONDS)
            else:
                break
        yield  # closing the file unlocks it
