"""Buyers: the name of a registered user in the line and the ledger."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser


def buyer_of_user(user: AbstractBaseUser | AnonymousUser | Any) -> str:  # noqa: ANN401 (DRF's type of request.user)
    """Return the buyer name of a registered user, such as ``u17``."""
    return f"u{user.pk}"
