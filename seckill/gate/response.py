"""Response: an HTTP response, as bytes that a connection can write."""

from functools import lru_cache
from http import HTTPStatus

import msgspec
from django.conf import settings

from seckill.errors.problems import MEDIA_TYPE, Problem

NO_STORE = (b"cache-control", b"no-store")
NO_SNIFF = (b"x-content-type-options", b"nosniff")
POLL_AFTER_SECONDS: int = settings.POLL_AFTER_SECONDS  # reading a Django setting takes 0.5 µs
RETRY_AFTER = (b"retry-after", b"%d" % POLL_AFTER_SECONDS)
Header = tuple[bytes, bytes]

encode = msgspec.json.Encoder().encode


class Response(msgspec.Struct, eq=False):
    """One HTTP response. The connection adds Date, Content-Length and Connection."""

    status: int
    head: bytes  #: status line and headers, each ended by CRLF
    body: bytes


def head(status: int, *headers: Header) -> bytes:
    """Return the status line and headers of a response, for `Response.head`."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()]
    lines += [b"%s: %s\r\n" % header for header in headers]
    return b"".join(lines)


def json_head(status: int, *headers: Header) -> bytes:
    """Return the head of a JSON response, with ``no-store`` unless other ``headers`` are passed."""
    return head(status, (b"content-type", b"application/json"), NO_SNIFF, *(headers or (NO_STORE,)))


@lru_cache(maxsize=256)  # problems with constant texts
def problem_response(problem: Problem, detail: str = "", *headers: Header) -> Response:
    """Return an RFC 9457 response. A 503 has the header Retry-After."""
    status = problem.value.status
    if status == HTTPStatus.SERVICE_UNAVAILABLE and RETRY_AFTER not in headers:
        headers = (RETRY_AFTER, *headers)
    lines = head(status, (b"content-type", MEDIA_TYPE.encode()), NO_SNIFF, NO_STORE, *headers)
    return Response(status, lines, problem.body(detail))
