"""The buyer behind a logged-in request."""

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from seckill.accounts.models import User


def buyer_of_user(user: AbstractBaseUser | AnonymousUser) -> str:
    """Return the buyer id of a registered user, such as ``u:jv2Zr0c8fWq1XbLm``.

    Raises:
        TypeError: the user is anonymous.
    """
    if not isinstance(user, User):
        raise TypeError("an anonymous user has no buyer id")
    return user.buyer_id
