"""Login: who is logged in, as a signed cookie beside the session's, so that most requests need no database to know.

It is a copy of what the session and the account said when it was issued, good for an hour. What ends it earlier is
known to Redis (`seckill.accounts.login_commands`).
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
TOKEN_CHARS_MAX = 1024  # a user name of 150 characters of 4 bytes each, and the rest
CLOCKS_APART_MS = 60_000  # how far ahead another host's clock may be


@cache
def _signer() -> Signer:
    return Signer("login", chars_max=TOKEN_CHARS_MAX)


def login_id_of(session_key: str) -> str:
    """The name of a session, which tells nobody its key: 16 characters of ``A-Za-z0-9_-``."""
    return urlsafe_b64encode(hashlib.sha256(f"login {session_key}".encode()).digest()[:ID_BYTES]).decode()


def account_json(username: str) -> dict[str, str]:
    """The answer to *who am I*."""
    return {"username": username}


class Login(Struct, frozen=True):
    """Who is logged in, by which session. Times are milliseconds since 1970, UTC."""

    buyer: str  #: such as ``u17``
    login_id: str  #: of the session, see `login_id_of`
    auth_hash: str  #: of the account: another one as soon as its password, its name or its right to log in changes
    issued_ms: int  #: by the clock of the host that signed it
    username: str  #: up to 150 characters, any of them

    def sign(self) -> str:
        """The cookie's value: ``A-Za-z0-9_-`` only, whatever the user's name is written in."""
        return _signer().sign(f"{self.buyer} {self.login_id} {self.auth_hash} {self.issued_ms} {self.username}")

    @classmethod
    def verify(cls, token: str) -> "Login":
        """The login in ``token``; whether it has expired, and whose session it is, is the caller's to ask.

        Raises BadTokenError.
        """
        buyer, login_id, auth_hash, issued_ms, username = _signer().verify(token).split(" ", 4)
        return cls(buyer, login_id, auth_hash, int(issued_ms), username)

    def belongs_to(self, session_key: str) -> bool:
        """Whether it was issued for this session.

        A browser that logs in as somebody else may still get the last one's cookie, by an answer that comes late.
        """
        return self.login_id == login_id_of(session_key)

    def is_expired(self, now_ms: int) -> bool:
        """Whether its time is over, or has not come: then the clock that issued it was wrong."""
        return not -CLOCKS_APART_MS <= now_ms - self.issued_ms < settings.LOGIN_COOKIE_SECONDS * 1000

    def is_fresh(self, now_ms: int) -> bool:
        """Whether less than half of its time has passed; otherwise the next answer of Django brings a new one."""
        return -CLOCKS_APART_MS <= now_ms - self.issued_ms < settings.LOGIN_COOKIE_SECONDS * 500


def read_login(cookies: Mapping[str, str], now_ms: int) -> Login | None:
    """The login of a request's cookies, unless it is forged, expired or of another session than theirs.

    It may still be void: only Redis knows what has ended since.
    """
    session_key = cookies.get(settings.SESSION_COOKIE_NAME)
    if session_key is None:
        return None
    try:
        login = Login.verify(cookies.get(COOKIE, ""))
    except BadTokenError:
        return None
    return login if login.belongs_to(session_key) and not login.is_expired(now_ms) else None
