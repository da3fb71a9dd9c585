"""Sessions in the database, with a copy in the cache for a minute. Ending a session revokes its login cookies.

The database decides who is logged in. A copy only saves its query, and Django's own ``cached_db`` trusts it too much:
when the cache fails, its pages fail, and a copy that could not be deleted, or was written by a request that read the
session just before it was ended, logs its user in again until the session would have expired. Here a copy is used only
if the session's login is not revoked in Redis, which happens before the session is deleted, and every error of the
cache or of Redis leads to the database.
"""

from typing import Any

import redis
import structlog
from django.contrib.sessions.backends import cached_db, db
from django.core.cache.backends.base import BaseCache
from django_redis.exceptions import ConnectionInterrupted

from seckill import conf
from seckill.accounts.login_commands import find_revoked, revoke_login
from seckill.accounts.logins import Login, login_id_of
from seckill.line.line import get_line

log = structlog.get_logger(__name__)

ERRORS = (redis.RedisError, ConnectionInterrupted)  # raised by the line, by the cache


class SessionStore(cached_db.SessionStore):
    """Django's cached database session store, with the rules above."""

    _cache: BaseCache  # set by the base class
    _session: dict[str, Any]

    def load(self) -> dict[str, Any]:
        """Return the session's data: from the cache, else from the database; empty if it is unknown or has expired."""
        copy = self._copy()
        if copy is not None:
            return copy
        row = self._get_session_from_db()  # type: ignore[attr-defined]  # missing in the stubs
        if row is None:
            return {}
        data: dict[str, Any] = self.decode(row.session_data)
        self._store_copy(data, self.get_expiry_age(expiry=row.expire_date))  # without it, the age would load the data
        return data

    def exists(self, session_key: str) -> bool:
        """Return whether the database has such a session."""
        return db.SessionStore.exists(self, session_key)

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 (Django's signature)
        """Save the session in the database, then its copy."""
        db.SessionStore.save(self, must_create)
        self._store_copy(self._session, self.get_expiry_age())

    def delete(self, session_key: str | None = None) -> None:
        """Revoke a session's login, then delete the session (this one by default) and its copy.

        In this order, a crash in between leaves a session that Django must look up, not a login without a session. If
        Redis is unreachable the session is deleted anyway; its cookie expires after ``LOGIN_COOKIE_SECONDS``, and a
        copy that the cache still has after ``SESSION_COPY_SECONDS``.
        """
        key = session_key or self.session_key
        if key is None:
            return
        try:
            get_line().run(revoke_login(login_id_of(key)))
        except redis.RedisError as error:
            log.error("login_not_revoked", error=str(error))  # noqa: TRY400 (a traceback adds nothing)
        db.SessionStore.delete(self, key)
        try:
            self._cache.delete(self.cache_key_prefix + key)
        except ERRORS as error:
            log.warning("session_copy_not_deleted", error=str(error))

    def _copy(self) -> dict[str, Any] | None:
        """Return the cache's copy of a session that was not ended."""
        try:
            copy: dict[str, Any] | None = self._cache.get(self.cache_key)
            if copy is None or self._is_revoked():
                return None
        except ERRORS as error:
            log.warning("session_copy_not_read", error=str(error))
            return None
        return copy

    def _is_revoked(self) -> bool:
        login = Login(buyer="", login_id=login_id_of(str(self.session_key)), auth_hash="", issued_ms=0, username="")
        return get_line().run(find_revoked([login]))[0]

    def _store_copy(self, data: dict[str, Any], expiry_age_seconds: int) -> None:
        try:
            self._cache.set(self.cache_key, data, min(conf.SESSION_COPY_SECONDS, expiry_age_seconds))
        except ERRORS as error:
            log.warning("session_copy_not_stored", error=str(error))
