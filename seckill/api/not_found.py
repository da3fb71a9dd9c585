"""Catch-all view below /api/: a problem document instead of Django's 404 page."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from seckill.api.exceptions import ProblemError
from seckill.errors.problems import Problem


@extend_schema(exclude=True)
class NotFoundApi(APIView):
    """Respond 404 to every method."""

    authentication_classes = ()

    def dispatch(self, request: Request, *args: object, **kwargs: object) -> Response:  # type: ignore[override]  # narrower on purpose
        """Handle the request's method by `missing`, because DRF responds 405 to methods without a handler."""
        self.http_method_names = [*APIView.http_method_names, (request.method or "").lower()]
        setattr(self, (request.method or "get").lower(), self.missing)
        return super().dispatch(request, *args, **kwargs)  # type: ignore[return-value]  # DRF's own annotation is wider

    def missing(self, request: Request, *args: object, **kwargs: object) -> Response:  # noqa: ARG002 (a handler)
        """Raise a 404 problem."""
        raise ProblemError(Problem.NOT_FOUND)
