"""What a login cookie says, and what the line knows of it."""

from typing import cast

from django.test import Client

from seckill.accounts.keys import LOGIN_KEYS
from seckill.accounts.login_commands import find_revoked
from seckill.accounts.logins import Login
from seckill.line.line import Line
from tests.web.responses import Answer


def send(browser: Client, action: str, **body: object) -> Answer:
    """POST JSON to an account URL."""
    return browser.post(f"/api/auth/{action}", body, content_type="application/json")


def login_of(browser: Client) -> Login:
    """Return the login in the client's cookie."""
    return Login.verify(browser.cookies["buyer"].value)


def is_void(line: Line, login: Login) -> bool:
    """Return whether the login is revoked in Redis."""
    return line.run(find_revoked([login])) == [True]


def known(line: Line) -> dict[str, str]:
    """Return everything Redis stores about revoked sessions and changed accounts."""
    return cast("dict[str, str]", line.client.hgetall(LOGIN_KEYS.revocations))
