"""The baseline's two views: purchase, and poll the ticket."""

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
    """Purchase: send one message for the buyer."""

    authentication_classes = (PassAuthentication,)
    permission_classes = (HasPass,)

    def post(self, request: Request, sale_id: int) -> Response:
        """Return 202 with the task id as the ticket, or 401, 403, 404."""
        buyer_pass = cast("Pass", request.auth)
        if buyer_pass.sale_id != sale_id:
            raise BadPassError("The pass is for another sale.")
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
    """Return the state of one task from the result backend."""

    authentication_classes = ()

    def get(self, request: Request, ticket: str) -> Response:  # noqa: ARG002 (DRF's signature)
        """Return 200 with confirmed, sold_out or queued. An unknown id is also queued."""
        result = AsyncResult(ticket, app=app)
        if result.successful():
            return Response(result.result)
        return Response({"status": "queued", "poll_after_s": settings.POLL_AFTER_SECONDS})
