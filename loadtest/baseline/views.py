"""The baseline's two views: buy, and ask what became of it."""

from typing import TYPE_CHECKING, cast

from celery.result import AsyncResult
from django.conf import settings
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loadtest.baseline.celery import app
from loadtest.baseline.tasks import create_order
from seckill.api.authentication import BadPassError, PassAuthentication
from seckill.api.exceptions import ProblemError
from seckill.api.permissions import HasPass
from seckill.catalog.models import Sale
from seckill.errors.problems import Problem

if TYPE_CHECKING:
    from seckill.line.passes import Pass


class PurchaseApi(APIView):
    """Buy: one message for this buyer."""

    authentication_classes = (PassAuthentication,)
    permission_classes = (HasPass,)

    def post(self, request: Request, sale_id: int) -> Response:
        """202 with the task's id as ticket; 401, 403, 404."""
        buyer_pass = cast("Pass", request.auth)
        if buyer_pass.sale_id != sale_id:
            raise BadPassError("It is a pass for another sale.")
        sale = get_object_or_404(Sale, pk=sale_id)
        now = timezone.now()
        if now < sale.opens_at:
            raise ProblemError(Problem.NOT_OPEN)
        if now >= sale.closes_at or sale.status != Sale.Status.OPEN:
            raise ProblemError(Problem.CLOSED)
        task = create_order.delay(sale_id, buyer_pass.buyer)
        return Response(
            {"ticket": task.id, "status": "queued", "poll_after_s": settings.POLL_AFTER_SECONDS}, status=202
        )


class TicketApi(APIView):
    """Ask the result backend about one task."""

    authentication_classes = ()

    def get(self, request: Request, ticket: str) -> Response:  # noqa: ARG002 (DRF's signature)
        """200: confirmed, sold_out or queued, which is also what a made-up id gets."""
        result = AsyncResult(ticket, app=app)
        if result.successful():
            return Response(result.result)
        return Response({"status": "queued", "poll_after_s": settings.POLL_AFTER_SECONDS})
