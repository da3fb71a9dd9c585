"""Login cookie: a signed copy of the session's user, so that the gate needs no database query."""

import time
from base64 import urlsafe_b64encode

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from django.utils.functional import LazyObject, empty
from msgspec.structs import replace
from rest_framework import status

from seckill.accounts.logins import COOKIE, Login, login_id_of
from seckill.accounts.models import User
from seckill.line.signing import BadTokenError

AUTH_HASH_BYTES = 12
HASHED_FIELDS = frozenset({"username", "password", "is_active"})


def auth_hash_of(user: User | None) -> str:
    """Return the auth hash of an account: 16 characters that reveal nothing, or '' for an account that can't log in."""
    if user is None or not user.is_active:
        return ""
    digest = salted_hmac("seckill.login", f"{user.password} {user.username}", algorithm="sha256").digest()
    return urlsafe_b64encode(digest[:AUTH_HASH_BYTES]).decode()


class LoginCookieMiddleware(SessionMiddleware):
    """Django's session middleware, plus the login cookie on responses whose view accessed the session.

    Other responses stay the same for all visitors, so they can be cached. Django saves the session first, so that its
    key exists when the cookie is set.
    """

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Set the cookie if missing, outdated or not fresh; delete it if the session has no user."""
        response = super().process_response(request, response)
        session = getattr(request, "session", None)
        if session is None or not session.accessed or response.status_code >= status.HTTP_500_INTERNAL_SERVER_ERROR:
            return response
        user = request.user
        if isinstance(user, LazyObject) and user._wrapped is empty:  # noqa: SLF001 (Django has no public API for this)
            return response  # no view accessed the user
        if isinstance(user, User) and session.session_key is not None:
            _renew(request, response, user, session.session_key)
        # Check the session too: a missing CSRF token also makes the user anonymous.
        elif COOKIE in request.COOKIES and SESSION_KEY not in session:
            response.delete_cookie(COOKIE, samesite="Lax")
        return response


def _renew(request: HttpRequest, response: HttpResponse, user: User, session_key: str) -> None:
    now_ms = int(time.time() * 1000)
    login = Login(user.buyer_id, login_id_of(session_key), auth_hash_of(user), now_ms, user.get_username())
    try:
        held = Login.verify(request.COOKIES.get(COOKIE, ""))
    except BadTokenError:
        held = None
    if held is not None and replace(held, issued_ms=now_ms) == login and held.is_fresh(now_ms):
        return
    response.set_cookie(
        COOKIE,
        login.sign(),
        max_age=settings.LOGIN_COOKIE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
