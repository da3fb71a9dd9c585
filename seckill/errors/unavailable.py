"""503 responses: a required server is unreachable, or the shop is overloaded."""

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

#: From Redis (line and cache), the database or its connection pool, and overload. A retry may succeed.
UNAVAILABLE_ERRORS = (redis.RedisError, OperationalError, BusyError)

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class UnavailableMiddleware:
    """Django middleware that turns transient errors of views into 503 instead of 500."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Pass the request on unchanged."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return 503 for a transient error, else None for Django's default handling."""
        return unavailable_response(request, error) if isinstance(error, UNAVAILABLE_ERRORS) else None


def unavailable_response(request: HttpRequest, error: BaseException) -> HttpResponse:
    """Return 503 with Retry-After: a page for browsers, a problem document for other clients."""
    if not isinstance(error, BusyError):  # overload is counted in a metric instead: clients could flood the log
        log.warning("server_unavailable", server=type(error).__module__, error=str(error))
    if prefers_html(request.path, request.headers.get("Accept", "")):
        answer = HttpResponse(PAGE, content_type=CONTENT_TYPE, headers={"Content-Security-Policy": SECURITY_POLICY})
    else:
        answer = HttpResponse(Problem.UNAVAILABLE.body(), content_type=MEDIA_TYPE)
    answer.status_code = Problem.UNAVAILABLE.value.status
    answer.headers["Retry-After"] = str(settings.POLL_AFTER_SECONDS)
    answer.headers["Cache-Control"] = "no-store"
    return answer
