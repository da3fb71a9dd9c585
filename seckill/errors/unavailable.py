"""503: what an address answers while a server it needs is out of reach, or too many want the same."""

from collections.abc import Awaitable, Callable

import redis
import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from seckill.errors.busy import BusyError
from seckill.errors.problems import MEDIA_TYPE, Problem
from seckill.errors.unavailable_page import CONTENT_TYPE, PAGE, SECURITY_POLICY, prefers_html

log = structlog.get_logger(__name__)

#: The line and the cache; the ledger, or its pool of connections; hashing. They pass: it is worth coming back.
TRANSIENT_ERRORS = (redis.RedisError, OperationalError, BusyError)

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class UnavailableMiddleware:
    """Django's views answer what passes with 503, where 500 would say that something is broken."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Only exceptions are of interest."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """503 for what passes; None leaves it to others."""
        return unavailable_response(request, error) if isinstance(error, TRANSIENT_ERRORS) else None


def unavailable_response(request: HttpRequest, error: BaseException) -> HttpResponse:
    """503 with Retry-After: a page for people, a problem document for programs."""
    if not isinstance(error, BusyError):  # those are counted, and strangers could fill the log
        log.warning("server_unavailable", server=type(error).__module__, error=str(error))
    if prefers_html(request.path, request.headers.get("Accept", "")):
        answer = HttpResponse(PAGE, content_type=CONTENT_TYPE, headers={"Content-Security-Policy": SECURITY_POLICY})
    else:
        answer = HttpResponse(Problem.UNAVAILABLE.body(), content_type=MEDIA_TYPE)
    answer.status_code = Problem.UNAVAILABLE.value.status
    answer.headers["Retry-After"] = str(settings.POLL_AFTER_SECONDS)
    answer.headers["Cache-Control"] = "no-store"
    return answer
