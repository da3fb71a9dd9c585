"""Cookies: reading the header as Django reads it, within limits."""

from django.http import parse_cookie

CHARS_MAX = 8192
COOKIES_MAX = 100


def read_cookies(header: bytes) -> dict[str, str]:
    """The cookies in a ``Cookie`` header, the last one of a name, by Django's own reading.

    None of an absurd header, or of one with quotes: Python takes a millisecond to undo the escapes in a long value. A
    request whose cookies were not read is one of a stranger: where that matters, Django has to look at it.
    """
    if len(header) > CHARS_MAX or header.count(b";") >= COOKIES_MAX or b'"' in header:
        return {}
    return parse_cookie(header.decode("latin-1"))
