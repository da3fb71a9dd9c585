"""Who asks: a logged-in user by session, or the holder of a pass. Both are buyers."""

import time

from django.contrib.auth.models import AnonymousUser
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from seckill.line.passes import Pass
from seckill.line.signing import BadTokenError


class BadPassError(exceptions.AuthenticationFailed):
    """The Authorization header holds no valid pass."""

    bad_pass = True


class SessionAuthentication(authentication.SessionAuthentication):
    """Django's session with Django's CSRF check; who is not logged in is answered 401."""

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 (the base class' signature)
        """A scheme name is what makes DRF answer 401 instead of 403."""
        return "Session"


class PassAuthentication(authentication.BaseAuthentication):
    """``Authorization: Bearer PASS``: no user, but a buyer of one sale (``request.auth``)."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Pass] | None:
        """The pass; None when there is no such header. Raises BadPassError."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            buyer_pass = Pass.verify(token.strip())
        except BadTokenError as error:
            raise BadPassError from error
        if buyer_pass.expires_ms <= time.time() * 1000:
            raise BadPassError("It has expired.")
        return AnonymousUser(), buyer_pass

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 (the base class' signature)
        """For WWW-Authenticate."""
        return "Bearer"
