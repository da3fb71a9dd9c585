"""Sessions in the database. One that is deleted (logging out, logging in as somebody else) ends its login cookies."""

import redis
import structlog
from django.contrib.sessions.backends import db

from seckill.accounts.login_commands import revoke_login
from seckill.accounts.logins import login_id_of
from seckill.line.line import get_line

log = structlog.get_logger(__name__)


class SessionStore(db.SessionStore):
    """Django's own, that tells Redis."""

    def delete(self, session_key: str | None = None) -> None:
        """Delete a session, this one by default, and end its login first.

        A crash between the two leaves a session whose login has to be looked up, not a login without a session. While
        Redis is away the session is deleted all the same; its cookie ends after `LOGIN_COOKIE_SECONDS`.
        """
        key = session_key or self.session_key
        if key is not None:
            try:
                get_line().run(revoke_login(login_id_of(key)))
            except redis.RedisError as error:
                log.error("login_not_revoked", error=str(error))  # noqa: TRY400 (what failed is known)
        super().delete(session_key)
