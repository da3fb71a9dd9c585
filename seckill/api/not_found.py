"""Catch-all view below /api/: a problem document instead of Django's 404 page."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from seckill.api.exceptions import ProblemError
from seckill.errors.problems import Problem


@extend_schema(exclude=True)
class NotFoundApi(APIView):
    """Respond 404 to every method."""

    authentication_classes = ()

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:  # noqa: ARG002 (DRF's signature)
        """Raise a 404 problem. DRF calls this before it looks for a handler of the method, and would respond 405.

        Raises:
            ProblemError: always.
        """
        raise ProblemError(Problem.NOT_FOUND)
