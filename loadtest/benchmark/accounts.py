"""Accounts: buyers who registered over HTTP, with whatever cookies the shop gave them."""

import http.client
import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from http.cookies import SimpleCookie
from pathlib import Path

AT_ONCE = 4  #: each takes a core for a third of a second: the password is hashed
TRIES = 20  #: a shop may be too busy to hash another one
PAUSE_SECONDS = 0.5
TIMEOUT_SECONDS = 60
CSRF_COOKIE = "csrftoken"
CREATED, UNAVAILABLE = 201, 503


class AccountError(Exception):
    """The shop makes no account."""


@dataclass(frozen=True, slots=True)
class Account:
    """One buyer, logged in."""

    username: str
    password: str
    cookies: dict[str, str]

    def headers(self) -> dict[str, str]:
        """What a browser sends with a POST."""
        return {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "X-CSRFToken": self.cookies[CSRF_COOKIE],
        }

    def credentials(self) -> str:
        """The body of a log-in."""
        return json.dumps({"username": self.username, "password": self.password})


def register(port: int, count: int) -> list[Account]:
    """So many new accounts of the shop on a port of this machine. Raises AccountError, OSError."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(lambda number: _register(port, f"buyer-{number}"), range(1, count + 1)))


def _register(port: int, username: str) -> Account:
    password = f"a-long-passphrase-of-{username[::-1]}"
    body = json.dumps({"username": username, "password": password})
    for _ in range(TRIES):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", "/api/auth/register", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status == CREATED:
            return Account(username, password, cookies(answer.headers.get_all("Set-Cookie") or []))
        if answer.status != UNAVAILABLE:
            raise AccountError(f"An account was answered {answer.status}: {text}")
        time.sleep(PAUSE_SECONDS)
    raise AccountError(f"No account after {TRIES} tries: {text}")


def cookies(headers: Iterable[str]) -> dict[str, str]:
    """Names and values of all cookies that were set."""
    found: dict[str, str] = {}
    for header in headers:
        found |= {name: morsel.coded_value for name, morsel in SimpleCookie(header).items()}
    return found


def write_accounts(accounts: Iterable[Account], file: Path) -> None:
    """One a line, as JSON."""
    file.write_text("".join(f"{json.dumps(asdict(account))}\n" for account in accounts), encoding="utf-8")


def read_accounts(file: Path) -> list[Account]:
    """Those of a file."""
    return [Account(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
