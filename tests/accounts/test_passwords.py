"""Passwords: a host hashes one at a time, without blocking other requests."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, make_password
from django.db import connections, transaction
from django.test import Client
from pytest_django import Settings

from seckill.accounts.models import User
from seckill.accounts.passwords import PasswordHasher, PasswordsBusyError
from tests.web.conftest import PASSWORD
from tests.web.responses import problem

HOLDER = """
import fcntl, os, sys, time
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("hashing", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _real_hasher(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PASSWORD_HASHERS = ["seckill.accounts.passwords.PasswordHasher"]
    monkeypatch.setattr(PasswordHasher, "iterations", 1000)  # fewer than in production, to be faster


@pytest.fixture
def other_process(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """Another process of this host that is hashing."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, settings.VAR_DIR], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hashing\n"
        yield process
        process.kill()


@pytest.fixture
def hashing(monkeypatch: pytest.MonkeyPatch) -> "list[Callable[[], None]]":
    """Functions to call while a password is being hashed."""
    calls: list[Callable[[], None]] = []
    encode = PBKDF2PasswordHasher.encode

    def watched(*arguments: Any) -> str:
        for call in calls:
            call()
        return encode(*arguments)

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", watched)
    return calls


def test_what_django_hashed_before_is_good() -> None:
    encoded = PBKDF2PasswordHasher().encode(PASSWORD, "s" * 22, iterations=1000)

    assert check_password(PASSWORD, encoded)
    assert not check_password("seven-odd-lamps", encoded)
    assert make_password(PASSWORD).startswith("pbkdf2_sha256$1000$")


@pytest.mark.django_db
def test_a_hash_with_fewer_iterations_is_made_anew_at_the_next_log_in(client: Client) -> None:
    weak = PBKDF2PasswordHasher().encode(PASSWORD, "s" * 22, iterations=10)
    user = User.objects.create(username="ann", password=weak)

    assert (
        client.post("/api/auth/login", {"username": "ann", "password": PASSWORD}, "application/json").status_code == 200
    )

    user.refresh_from_db()
    assert user.password.startswith("pbkdf2_sha256$1000$")
    assert check_password(PASSWORD, user.password)


def test_one_password_is_hashed_at_a_time_in_a_process(hashing: list[Callable[[], None]]) -> None:
    at_once = 0
    most = 0

    def count() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.01)  # long enough for another request to come in
        at_once -= 1

    hashing.append(count)
    threads = [threading.Thread(target=make_password, args=(PASSWORD,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 1


def test_one_password_is_hashed_at_a_time_on_a_host(
    other_process: subprocess.Popen[str], hashing: list[Callable[[], None]]
) -> None:
    hashed: list[int | None] = []
    hashing.append(lambda: hashed.append(other_process.poll()))
    thread = threading.Thread(target=make_password, args=(PASSWORD,))
    thread.start()
    thread.join(0.1)
    assert hashed == []

    other_process.kill()  # the lock of a killed process is released
    other_process.wait()
    thread.join()

    assert hashed == [-9]


def test_meanwhile_no_other_process_gets_a_turn(settings: Settings, hashing: list[Callable[[], None]]) -> None:
    taken: list[bool] = []

    def try_it() -> None:
        directory = os.open(settings.VAR_DIR, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            taken.append(True)
        os.close(directory)

    hashing.append(try_it)
    make_password(PASSWORD)

    assert taken == [True]


@pytest.mark.django_db
@pytest.mark.usefixtures("other_process")
def test_who_has_waited_too_long_for_a_turn_gets_retry_after(client: Client, settings: Settings) -> None:
    settings.PASSWORD_WAIT_SECONDS = 0.05

    for action, username in (("login", "ann"), ("register", "ben")):
        answer = client.post(f"/api/auth/{action}", {"username": username, "password": PASSWORD}, "application/json")
        problem(answer, 503, "unavailable")
        assert answer["Retry-After"] == "2"
    answer = client.post("/admin/login/", {"username": "ann", "password": PASSWORD}, headers={"Accept": "text/html"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert "The shop is very busy" in answer.content.decode()
    assert User.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_meanwhile_there_is_no_connection_and_no_transaction(client: Client, hashing: list[Callable[[], None]]) -> None:
    seen: list[tuple[bool, bool]] = []
    hashing.append(lambda: seen.append((connection_here.connection is None, connection_here.in_atomic_block)))
    connection_here = connections["default"]  # this thread's; hashing runs in another one

    for action in ("register", "login"):
        answer = client.post(f"/api/auth/{action}", {"username": "ann", "password": PASSWORD}, "application/json")
        assert answer.status_code in (200, 201)

    assert seen == [(True, False)] * 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("other_process")
def test_in_a_transaction_nobody_waits_long_for_a_turn(settings: Settings) -> None:
    settings.PASSWORD_WAIT_SECONDS = 3600

    with transaction.atomic(), pytest.raises(PasswordsBusyError):
        make_password(PASSWORD)
