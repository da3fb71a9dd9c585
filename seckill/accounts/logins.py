"""Login: the logged-in user as a signed cookie beside the session cookie, so that most requests need no database.

The cookie is a copy of session and account at the time of issue and is valid for an hour. Redis stores earlier
revocations (`seckill.accounts.login_commands`).
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import cache

from django.conf import settings
from msgspec import Struct

from seckill.line.signing import BadTokenError, Signer

COOKIE = "buyer"
ID_BYTES = 12
TOKEN_CHARS_MAX = 1024  # fits a user name of 150 characters of 4 bytes each
CLOCKS_APART_MS = 60_000  # tolerated clock difference between hosts


@cache
def _signer() -> Signer:
    return Signer("login", chars_max=TOKEN_CHARS_MAX)


def login_id_of(session_key: str) -> str:
    """Return an id derived from the session key, which it does not reveal: 16 characters of ``A-Za-z0-9_-``."""
    return urlsafe_b64encode(hashlib.sha256(f"login {session_key}".encode()).digest()[:ID_BYTES]).decode()


def account_json(username: str) -> dict[str, str]:
    """Return the response body for the current account."""
    return {"username": username}


class Login(Struct, frozen=True):
    """A user logged in by one session. Times are milliseconds since 1970, UTC."""

    buyer: str  #: the account's ``buyer_id``
    login_id: str  #: from the session key, see `login_id_of`
    auth_hash: str  #: changes with the account's password, name or right to log in
    issued_ms: int  #: by the clock of the signing host
    username: str  #: normalised, up to 150 Unicode characters

    def sign(self) -> str:
        """Return the cookie's value. It contains ``A-Za-z0-9_-`` only, even for Unicode user names."""
        return _signer().sign(f"{self.buyer} {self.login_id} {self.auth_hash} {self.issued_ms} {self.username}")

    @classmethod
    def verify(cls, token: str) -> "Login":
        """Return the login in ``token``. The caller must check expiry and session.

        Raises:
            BadTokenError: the token is malformed or its signature is wrong.
        """
        buyer, login_id, auth_hash, issued_ms, username = _signer().verify(token).split(" ", 4)
        return cls(buyer, login_id, auth_hash, int(issued_ms), username)

    def belongs_to(self, session_key: str) -> bool:
        """Whether the login was issued for this session.

        After a change of user, a late response may still set the previous user's cookie.
        """
        return self.login_id == login_id_of(session_key)

    def is_expired(self, now_ms: int) -> bool:
        """Whether the login is too old, or issued too far in the future by a wrong clock."""
        return not -CLOCKS_APART_MS <= now_ms - self.issued_ms < settings.LOGIN_COOKIE_SECONDS * 1000

    def is_fresh(self, now_ms: int) -> bool:
        """Whether less than half of the lifetime has passed; otherwise Django's next response renews the cookie."""
        return -CLOCKS_APART_MS <= now_ms - self.issued_ms < settings.LOGIN_COOKIE_SECONDS * 500


def read_login(cookies: Mapping[str, str], now_ms: int) -> Login | None:
    """Return the login in a request's cookies, or None if it is forged, expired or of another session.

    The login may still be revoked; only Redis stores revocations.
    """
    session_key = cookies.get(settings.SESSION_COOKIE_NAME)
    if session_key is None:
        return None
    try:
        login = Login.verify(cookies.get(COOKIE, ""))
    except BadTokenError:
        return None
    return login if login.belongs_to(session_key) and not login.is_expired(now_ms) else None
