"""Authentication by session (a logged-in user) or by pass. Both identify a buyer."""

import time

from django.contrib.auth.models import AnonymousUser
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from seckill.line.passes import Pass
from seckill.line.signing import BadTokenError


class BadPassError(exceptions.AuthenticationFailed):
    """The Authorization header has no valid pass."""

    bad_pass = True


class SessionAuthentication(authentication.SessionAuthentication):
    """Django's session with Django's CSRF check. Requests without a login get 401 instead of DRF's 403."""

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 (the base class' signature)
        """Return a scheme name. DRF responds 401 only if there is one, else 403."""
        return "Session"


class PassAuthentication(authentication.BaseAuthentication):
    """``Authorization: Bearer PASS``: sets ``request.auth`` to the pass, which identifies a buyer of one sale.

    ``request.user`` is anonymous.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Pass] | None:
        """Return the pass, or None without a bearer token.

        Raises:
            BadPassError: The pass is invalid or expired.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            buyer_pass = Pass.verify(token.strip())
        except BadTokenError as error:
            raise BadPassError from error
        if buyer_pass.expires_ms <= time.time() * 1000:
            raise BadPassError("The pass has expired.")
        return AnonymousUser(), buyer_pass

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 (the base class' signature)
        """Return the scheme for the WWW-Authenticate header."""
        return "Bearer"
