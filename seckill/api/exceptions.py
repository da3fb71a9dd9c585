"""Conversion of view exceptions to problem documents (RFC 9457)."""

import sys

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.views.defaults import server_error
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from seckill.errors.problems import MEDIA_TYPE, Problem
from seckill.errors.unavailable import UNAVAILABLE_ERRORS, unavailable_response
from seckill.line.commands import SaleNotLoadedError

PROBLEM_OF_STATUS = {
    401: Problem.NOT_LOGGED_IN,
    403: Problem.FORBIDDEN,
    404: Problem.NOT_FOUND,
    405: Problem.METHOD_NOT_ALLOWED,
    406: Problem.NOT_ACCEPTABLE,
    413: Problem.TOO_LARGE,
    415: Problem.UNSUPPORTED_MEDIA_TYPE,
    429: Problem.THROTTLED,
}


class ProblemError(Exception):
    """Raised by a view to respond with a problem document. ``more`` holds extra members of the document."""

    def __init__(
        self, problem: Problem, detail: str = "", headers: dict[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.detail = detail
        self.headers = headers
        self.more = more


def problem_response(
    problem: Problem, detail: str = "", headers: dict[str, str] | None = None, **more: object
) -> Response:
    """Return the problem as a DRF response. A 503 gets a Retry-After header."""
    if problem.value.status == status.HTTP_503_SERVICE_UNAVAILABLE:
        headers = {"Retry-After": str(settings.POLL_AFTER_SECONDS), **(headers or {})}
    return Response(
        problem.document(detail, **more), status=problem.value.status, content_type=MEDIA_TYPE, headers=headers
    )


def problem_handler(error: Exception, context: dict[str, object]) -> Response | None:  # noqa: ARG001 (DRF's signature)
    """DRF exception handler. Return a problem response, or None to leave the exception to Django.

    Django responds 503 to transient errors. For other errors it responds 500 and logs a traceback.
    """
    set_rollback()
    match error:
        case ProblemError():
            return problem_response(error.problem, error.detail, error.headers, **error.more)
        case SaleNotLoadedError():
            return problem_response(Problem.RECOVERING)
        case Http404():
            return problem_response(Problem.NOT_FOUND)
        case PermissionDenied():
            return problem_response(Problem.FORBIDDEN)
        case RequestDataTooBig():
            return problem_response(Problem.TOO_LARGE)
        case exceptions.APIException():
            return _problem_of_drf(error)
    return None


def _problem_of_drf(error: exceptions.APIException) -> Response:
    """Return the problem response for an exception of DRF itself."""
    if isinstance(error, exceptions.ValidationError):
        detail = error.detail
        return problem_response(
            Problem.INVALID, errors=detail if isinstance(detail, dict) else {"non_field_errors": detail}
        )
    problem = PROBLEM_OF_STATUS.get(error.status_code, Problem.BAD_REQUEST)
    if getattr(error, "bad_pass", False):
        problem = Problem.BAD_PASS
    headers = {}
    if scheme := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = scheme
    if wait_seconds := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait_seconds) + 1)
    return problem_response(problem, str(error.detail), headers)


def internal_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500. Return a problem document below /api/, an HTML page elsewhere.

    Django has logged the error already. Transient errors get 503: `UnavailableMiddleware` handles those raised in
    views, this function those raised in other middleware.
    """
    error = sys.exc_info()[1]
    if isinstance(error, UNAVAILABLE_ERRORS):
        return unavailable_response(request, error)
    if request.path.startswith("/api/"):
        return HttpResponse(Problem.INTERNAL.body(), status=Problem.INTERNAL.value.status, content_type=MEDIA_TYPE)
    return server_error(request)
