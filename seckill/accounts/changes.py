"""What changes an account ends the logins that were made before: a new password or name, closing it, deleting it."""

from collections.abc import Collection
from functools import partial
from typing import Any

import redis
import structlog
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db import DatabaseError, transaction
from django.db.models.signals import post_delete, post_save

from seckill.accounts.buyers import buyer_of_user
from seckill.accounts.login_commands import set_auth_hash
from seckill.accounts.login_cookie import HASHED_FIELDS, auth_hash_of
from seckill.line.line import get_line

log = structlog.get_logger(__name__)

ATTEMPTS_MAX = 5  # each needs another change of the same account in between


class AccountKeepsChangingError(Exception):
    """An account changed each time that its change was told."""


def connect_signals() -> None:
    """Begin to listen; once, when Django is set up."""
    post_save.connect(_saved, sender=get_user_model(), dispatch_uid="login_cookie")
    post_delete.connect(_deleted, sender=get_user_model(), dispatch_uid="login_cookie")


def _saved(
    instance: AbstractUser,
    *,
    created: bool,
    update_fields: Collection[str] | None = None,
    **_: Any,  # noqa: ANN401 (signals carry more)
) -> None:
    if created or (update_fields is not None and HASHED_FIELDS.isdisjoint(update_fields)):
        return
    _publish_after_commit(instance)


def _deleted(instance: AbstractUser, **_: Any) -> None:  # noqa: ANN401 (signals carry more)
    _publish_after_commit(instance)


def _publish_after_commit(user: AbstractUser) -> None:
    transaction.on_commit(partial(_publish, user.pk, buyer_of_user(user)))


def _publish(user_id: int, buyer: str) -> None:
    """The change is made, whatever becomes of telling it: untold, old cookies end after `LOGIN_COOKIE_SECONDS`."""
    try:
        publish_auth_hash(user_id, buyer)
    except (redis.RedisError, DatabaseError, AccountKeepsChangingError) as error:
        log.error("auth_hash_not_published", buyer=buyer, error=str(error))  # noqa: TRY400 (what failed is known)


def publish_auth_hash(user_id: int, buyer: str) -> None:
    """Tell Redis which auth_hash the account has now.

    Two changes at a time may be told in either order. Whoever tells looks again afterwards, so the last one to tell
    has told what is there.

    Raises: redis.RedisError, DatabaseError, RestlessAccountError.
    """
    auth_hash = _current_auth_hash(user_id)
    for _ in range(ATTEMPTS_MAX):
        get_line().run(set_auth_hash(buyer, auth_hash))
        told, auth_hash = auth_hash, _current_auth_hash(user_id)
        if auth_hash == told:
            return
    raise AccountKeepsChangingError(buyer)


def _current_auth_hash(user_id: int) -> str:
    return auth_hash_of(get_user_model().objects.filter(pk=user_id).only(*HASHED_FIELDS).first())
