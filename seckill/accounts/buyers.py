"""Buyers: what the line and the ledger call the user of an account."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser


def buyer_of_user(user: AbstractBaseUser | AnonymousUser | Any) -> str:  # noqa: ANN401 (DRF types request.user so)
    """The buyer's name of a registered user."""
    return f"u{user.pk}"
