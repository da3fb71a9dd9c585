"""Sessions in the database. Deleting one (on logout or a change of user) revokes its login cookies."""

import redis
import structlog
from django.contrib.sessions.backends import db

from seckill.accounts.login_commands import revoke_login
from seckill.accounts.logins import login_id_of
from seckill.line.line import get_line

log = structlog.get_logger(__name__)


class SessionStore(db.SessionStore):
    """Django's database session store, which also revokes logins in Redis."""

    def delete(self, session_key: str | None = None) -> None:
        """Revoke a session's login, then delete the session (this one by default).

        In this order, a crash in between leaves a session that Django must look up, not a login without a session. If
        Redis is unreachable the session is deleted anyway; its cookie expires after ``LOGIN_COOKIE_SECONDS``.
        """
        key = session_key or self.session_key
        if key is not None:
            try:
                get_line().run(revoke_login(login_id_of(key)))
            except redis.RedisError as error:
                log.error("login_not_revoked", error=str(error))  # noqa: TRY400 (a traceback adds nothing)
        super().delete(session_key)
