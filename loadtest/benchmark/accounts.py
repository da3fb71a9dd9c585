"""Accounts: buyers registered over HTTP, with the cookies the shop set."""

import http.client
import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from http.cookies import SimpleCookie
from pathlib import Path

AT_ONCE = 4  #: concurrent registrations; each uses a core for a third of a second to hash the password
TRIES = 20  #: tries; a busy shop may refuse a registration
PAUSE_SECONDS = 0.5
TIMEOUT_SECONDS = 60
CSRF_COOKIE = "csrftoken"
OK, CREATED, UNAVAILABLE = 200, 201, 503


class AccountError(Exception):
    """The shop did not create an account."""


@dataclass(frozen=True, slots=True)
class Account:
    """One logged-in buyer."""

    username: str
    password: str
    cookies: dict[str, str]

    def headers(self) -> dict[str, str]:
        """Return the headers a browser sends with a POST."""
        return {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "X-CSRFToken": self.cookies[CSRF_COOKIE],
        }

    def credentials(self) -> str:
        """Return the body of a login request."""
        return json.dumps({"username": self.username, "password": self.password})


def register(port: int, count: int) -> list[Account]:
    """Register ``count`` accounts at the shop on a local port. Raises AccountError, OSError."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(lambda number: _register(port, f"buyer-{number}"), range(1, count + 1)))


def renew(port: int, accounts: Iterable[Account]) -> list[Account]:
    """Return the accounts with fresh cookies, after each has fetched a pass. Raises AccountError, OSError."""
    return [_renew(port, account) for account in accounts]


def _register(port: int, username: str) -> Account:
    account = Account(username, f"a-long-passphrase-of-{username[::-1]}", {})
    for _ in range(TRIES):
        answer = _post(port, "/api/auth/register", {"Content-Type": "application/json"}, account.credentials())
        if answer.status == CREATED:
            return replace(account, cookies=answer.cookies)
        if answer.status != UNAVAILABLE:
            raise AccountError(f"An account was answered {answer.status}: {answer.text}")
        time.sleep(PAUSE_SECONDS)
    raise AccountError(f"No account after {TRIES} tries: {answer.text}")


def _renew(port: int, account: Account) -> Account:
    answer = _post(port, "/api/sales/1/pass", account.headers())
    if answer.status != OK:
        raise AccountError(f"A pass was answered {answer.status}: {answer.text}")
    return replace(account, cookies=account.cookies | answer.cookies)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    text: str
    cookies: dict[str, str]


def _post(port: int, path: str, headers: dict[str, str], body: str = "") -> _Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return _Answer(answer.status, answer.read().decode(), cookies(answer.headers.get_all("Set-Cookie") or []))
    finally:
        connection.close()


def cookies(headers: Iterable[str]) -> dict[str, str]:
    """Return names and values of all cookies that were set."""
    found: dict[str, str] = {}
    for header in headers:
        found |= {name: morsel.coded_value for name, morsel in SimpleCookie(header).items()}
    return found


def write_accounts(accounts: Iterable[Account], file: Path) -> None:
    """Write the accounts to a file, one JSON document per line."""
    file.write_text("".join(f"{json.dumps(asdict(account))}\n" for account in accounts), encoding="utf-8")


def read_accounts(file: Path) -> list[Account]:
    """Read the accounts from a file."""
    return [Account(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
