"""Cookies: parse the ``Cookie`` header as Django does, within limits."""

from django.http import parse_cookie

CHARS_MAX = 8192
COOKIES_MAX = 100


def read_cookies(header: bytes) -> dict[str, str]:
    """Parse a ``Cookie`` header with Django's parser. The last of several cookies with one name wins.

    Return no cookies if the header exceeds the limits or contains quotes, because Python takes a millisecond to
    unescape a long value. The request then counts as anonymous; where that matters, the caller must leave it to Django.
    """
    if len(header) > CHARS_MAX or header.count(b";") >= COOKIES_MAX or b'"' in header:
        return {}
    return parse_cookie(header.decode("latin-1"))
