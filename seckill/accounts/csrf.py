"""CSRF check for requests that do not reach Django's middleware.

Accepts exactly the requests that `CsrfViewMiddleware` accepts by cookie and header. Relies on Django's defaults (the
token in a cookie of this host only, no forwarded host or port); tests compare the two.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from string import ascii_letters, digits
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.crypto import constant_time_compare
from django.utils.http import is_same_domain

SECRET_CHARS = 32
CHARS = ascii_letters + digits
TOKEN = re.compile(rf"(?:[a-zA-Z0-9]{{{SECRET_CHARS}}}){{1,2}}")

Headers = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class TrustedOrigins:
    """``CSRF_TRUSTED_ORIGINS``, parsed."""

    exact: frozenset[str]
    wild: tuple[tuple[str, str], ...]  #: (scheme, ``.example.org``): all subdomains
    hosts: tuple[str, ...]  #: of all origins, to compare with Referer


@cache
def _trusted(origins: tuple[str, ...]) -> TrustedOrigins:
    parts = [urlsplit(origin) for origin in origins]
    return TrustedOrigins(
        exact=frozenset(origin for origin in origins if "*" not in origin),
        wild=tuple((part.scheme, part.netloc.lstrip("*")) for part in parts if "*" in part.netloc),
        hosts=tuple(part.netloc.lstrip("*") for part in parts),
    )


def is_from_our_page(headers: Headers, cookies: Mapping[str, str], scheme: str) -> bool:
    """Whether Django's CSRF check would let this POST pass.

    Args:
        headers: values by lower-case name. Leave a request to Django if it repeats a header, has no ``Host``, or has a
            form as its body, which may contain a token.
        cookies: as Django parses them.
        scheme: ``http`` or ``https``, of the connection.
    """
    host = _host(headers)
    secure = _scheme(headers, scheme) == "https"
    origin = headers.get(b"origin")
    if origin is not None:
        if not _is_own_origin(origin.decode("latin-1"), host, secure=secure):
            return False
    elif secure and not _is_own_referer(headers.get(b"referer", b"").decode("latin-1"), host):
        return False
    secret = _secret_in(cookies.get(settings.CSRF_COOKIE_NAME, ""))
    token = _secret_in(headers.get(b"x-csrftoken", b"").decode("latin-1"))
    return secret is not None and token is not None and constant_time_compare(secret, token)


def _scheme(headers: Headers, scheme: str) -> str:
    """Return the browser's scheme, from ``X-Forwarded-Proto`` behind a proxy that terminates TLS."""
    forwarded = headers.get(b"x-forwarded-proto") if settings.SECURE_PROXY_SSL_HEADER else None
    if forwarded is None:
        return scheme
    return forwarded.decode("latin-1").split(",", 1)[0].strip()


def _host(headers: Headers) -> str | None:
    """Return host and port from the ``Host`` header, or None if the host is not in ``ALLOWED_HOSTS``."""
    host = headers.get(b"host", b"").decode("latin-1")
    domain, _port = split_domain_port(host)
    return host if domain and validate_host(domain, settings.ALLOWED_HOSTS) else None


def _is_own_origin(origin: str, host: str | None, *, secure: bool) -> bool:
    if host is not None and origin == f"{'https' if secure else 'http'}://{host}":
        return True
    trusted = _trusted(tuple(settings.CSRF_TRUSTED_ORIGINS))
    if origin in trusted.exact:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return _is_below(parts.netloc, (below for scheme, below in trusted.wild if scheme == parts.scheme))


def _is_own_referer(referer: str, host: str | None) -> bool:
    try:
        parts = urlsplit(referer)
    except ValueError:
        return False
    if parts.scheme != "https" or not parts.netloc:
        return False
    if _is_below(parts.netloc, _trusted(tuple(settings.CSRF_TRUSTED_ORIGINS)).hosts):
        return True
    return host is not None and bool(is_same_domain(parts.netloc, host))


def _is_below(netloc: str, hosts: Iterable[str]) -> bool:
    return any(is_same_domain(netloc, host) for host in hosts)


def _secret_in(token: str) -> str | None:
    """Return the 32-character secret of a token, which may be preceded by a mask of 32 characters. None if invalid."""
    if not TOKEN.fullmatch(token):
        return None
    if len(token) == SECRET_CHARS:
        return token
    mask, masked = token[:SECRET_CHARS], token[SECRET_CHARS:]
    return "".join(CHARS[CHARS.index(x) - CHARS.index(y)] for x, y in zip(masked, mask, strict=True))
