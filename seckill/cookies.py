"""Cookies: reading the header as Django reads it, within limits."""

from django.http import parse_cookie

CHARS_MAX = 8192
COOKIES_MAX = 100


def read_cookies(header: bytes) -> dict[str, str]:
    """The cookies in a ``Cookie`` header, the last one of a name, by Django's own reading; none of an absurd header.

    A request whose cookies were not read is one of a stranger: where that matters, Django has to look at it.
    """
    if len(header) > CHARS_MAX or header.count(b";") >= COOKIES_MAX:
        return {}
    return parse_cookie(header.decode("latin-1"))
