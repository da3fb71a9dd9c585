"""Account changes revoke earlier logins: a new password or name, deactivation, deletion."""

from collections.abc import Collection
from functools import partial
from typing import Any

import redis
import structlog
from django.db import DatabaseError, transaction
from django.db.models.signals import post_delete, post_save

from seckill.accounts.login_commands import set_auth_hash
from seckill.accounts.login_cookie import HASHED_FIELDS, auth_hash_of
from seckill.accounts.models import User
from seckill.line.line import get_line

log = structlog.get_logger(__name__)

ATTEMPTS_MAX = 5  # each attempt only fails if the account changed again in between


class AccountKeepsChangingError(Exception):
    """An account changed again during every attempt to publish its auth hash."""


def connect_signals() -> None:
    """Connect the signal handlers. Called once, from ``AppConfig.ready``."""
    post_save.connect(_saved, sender=User, dispatch_uid="login_cookie")
    post_delete.connect(_deleted, sender=User, dispatch_uid="login_cookie")


def _saved(
    instance: User,
    *,
    created: bool,
    update_fields: Collection[str] | None = None,
    **_: Any,  # noqa: ANN401 (signals pass further arguments)
) -> None:
    if created or (update_fields is not None and HASHED_FIELDS.isdisjoint(update_fields)):
        return
    _publish_after_commit(instance)


def _deleted(instance: User, **_: Any) -> None:  # noqa: ANN401 (signals pass further arguments)
    _publish_after_commit(instance)


def _publish_after_commit(user: User) -> None:
    transaction.on_commit(partial(_publish, user.buyer_id))


def _publish(buyer: str) -> None:
    """Publish the auth hash and log a failure. After a failure, old cookies expire after ``LOGIN_COOKIE_SECONDS``."""
    try:
        publish_auth_hash(buyer)
    except (redis.RedisError, DatabaseError, AccountKeepsChangingError) as error:
        log.error("auth_hash_not_published", buyer=buyer, error=str(error))  # noqa: TRY400 (a traceback adds nothing)


def publish_auth_hash(buyer: str) -> None:
    """Store the current auth hash of an account, given by its buyer id, in Redis.

    Two concurrent changes may be published in either order. Each publisher reads the account again afterwards and
    repeats if the hash differs, so the last one to publish stores the current hash.

    Raises:
        redis.RedisError: Redis does not answer.
        django.db.DatabaseError: the account can't be read.
        AccountKeepsChangingError: the account changed during each of `ATTEMPTS_MAX` attempts.
    """
    auth_hash = _current_auth_hash(buyer)
    for _ in range(ATTEMPTS_MAX):
        get_line().run(set_auth_hash(buyer, auth_hash))
        told, auth_hash = auth_hash, _current_auth_hash(buyer)
        if auth_hash == told:
            return
    raise AccountKeepsChangingError(buyer)


def _current_auth_hash(buyer: str) -> str:
    return auth_hash_of(User.objects.filter(buyer_id=buyer).only(*HASHED_FIELDS).first())
