"""Sale API: list and view sales, issue a pass, purchase synchronously."""

from datetime import timedelta
from typing import cast

import redis
import structlog
from django.conf import settings
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field, inline_serializer
from rest_framework import serializers, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orders.settlement import settle_and_wait
from seckill.accounts.buyers import buyer_of_user
from seckill.accounts.login_commands import PassResult, count_pass
from seckill.api.authentication import BadPassError, PassAuthentication
from seckill.api.cache_control import NO_STORE
from seckill.api.exceptions import ProblemError
from seckill.api.orders import OrderSerializer
from seckill.api.permissions import HasPass
from seckill.catalog.models import Product, Sale
from seckill.errors.problems import Problem
from seckill.line import commands
from seckill.line.commands import RejectReason
from seckill.line.line import get_line
from seckill.line.passes import Pass, pass_json
from seckill.line.snapshot import Snapshot
from seckill.line.state import State, state_at
from seckill.timestamps import format_iso8601, to_epoch_ms

log = structlog.get_logger(__name__)

LISTED_AFTER_CLOSING = timedelta(days=7)
ONE_SECOND_CACHE = {
    "Cache-Control": "public, max-age=1",
    "Vary": "Accept",  # Accept may request indented JSON or another media type
}


class SaleSerializer(serializers.ModelSerializer[Sale]):
    """A sale. ``state`` and ``remaining`` come from the line, or from the ledger while the line is not available."""

    class ProductSerializer(serializers.ModelSerializer[Product]):
        """The product of a sale."""

        class Meta:
            model = Product
            fields = ("name", "description", "image")

    product = ProductSerializer()
    remaining = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField()
    server_time = serializers.SerializerMethodField()
    pay_within_s = serializers.IntegerField(source="pay_within_seconds")

    class Meta:
        model = Sale
        fields = (
            "id", "product", "price", "currency", "stock", "remaining", "state", "opens_at", "closes_at", "server_time",
            "pay_within_s",
        )  # fmt: skip

    def get_remaining(self, sale: Sale) -> int:
        """Return the units neither reserved nor sold. Without a line snapshot: ``stock - sold`` of the ledger."""
        snapshot = self._snapshot(sale)
        return snapshot.remaining if snapshot else sale.stock - sale.sold

    @extend_schema_field(serializers.ChoiceField(choices=[state.value for state in State]))
    def get_state(self, sale: Sale) -> str:
        """Return the state that the sale page shows."""
        snapshot = self._snapshot(sale)
        if snapshot:
            return snapshot.state()
        return state_at(
            to_epoch_ms(timezone.now()),
            opens_ms=to_epoch_ms(sale.opens_at),
            closes_ms=to_epoch_ms(sale.closes_at),
            status=sale.status,
            units_left=sale.stock - sale.sold,
            ended=sale.ended_at is not None,
        )

    @extend_schema_field(serializers.DateTimeField())
    def get_server_time(self, sale: Sale) -> str:
        """Return the server's time. Countdowns use it instead of the device's clock."""
        snapshot = self._snapshot(sale)
        return format_iso8601(snapshot.now_ms if snapshot else to_epoch_ms(timezone.now()))

    def _snapshot(self, sale: Sale) -> Snapshot | None:
        snapshots: dict[int, Snapshot | None] = self.context["snapshots"]
        return snapshots[sale.pk]


def read_snapshots(sales: list[Sale]) -> dict[int, Snapshot | None]:
    """Return a snapshot of each sale's line, by sale id. None if the sale is not loaded or Redis is unreachable."""
    line = get_line()
    snapshots: dict[int, Snapshot | None] = dict.fromkeys(sale.pk for sale in sales)
    try:
        for sale in sales:
            snapshots[sale.pk] = line.run(commands.snapshot(sale.pk))
    except redis.RedisError as error:
        log.warning("server_unavailable", server="redis", error=str(error))
    return snapshots


class SalesApi(APIView):
    """Scheduled, running and recently closed sales."""

    authentication_classes = ()  # same response for every caller: skip the session lookup

    @extend_schema(responses=SaleSerializer(many=True), operation_id="sales")
    def get(self, request: Request) -> Response:
        """Return up to 100 sales by opening time, without sales that closed more than a week ago."""
        sales = list(
            Sale.objects.select_related("product").filter(closes_at__gt=timezone.now() - LISTED_AFTER_CLOSING)[:100]
        )
        context = {"request": request, "snapshots": read_snapshots(sales)}
        return Response(SaleSerializer(sales, many=True, context=context).data, headers=ONE_SECOND_CACHE)


class SaleApi(APIView):
    """One sale."""

    authentication_classes = ()  # same response for every caller: skip the session lookup

    @extend_schema(responses=SaleSerializer, operation_id="sale")
    def get(self, request: Request, sale_id: int) -> Response:
        """Return a sale, or 404."""
        sale = get_object_or_404(Sale.objects.select_related("product"), pk=sale_id)
        context = {"request": request, "snapshots": read_snapshots([sale])}
        return Response(SaleSerializer(sale, context=context).data, headers=ONE_SECOND_CACHE)


class PassApi(APIView):
    """The pass of the caller for a sale."""

    permission_classes = (IsAuthenticated,)

    # A function instead of a class body, because "pass" is a Python keyword.
    PassSerializer = inline_serializer(
        "Pass",
        {
            "pass": serializers.CharField(),
            "not_before": serializers.DateTimeField(),
            "expires_at": serializers.DateTimeField(),
        },
    )

    @extend_schema(request=None, responses=PassSerializer, operation_id="issue_pass")
    def post(self, request: Request, sale_id: int) -> Response:
        """Issue the caller's pass. It can be requested before the sale opens. 403 ``closed``, 404, or 429."""
        sale = get_object_or_404(Sale, pk=sale_id)
        if sale.status == Sale.Status.CLOSED or sale.closes_at <= timezone.now():
            raise ProblemError(Problem.CLOSED)
        buyer = buyer_of_user(request.user)
        _count_pass(buyer)
        return Response(
            pass_json(sale.pk, buyer, opens_ms=to_epoch_ms(sale.opens_at), closes_ms=to_epoch_ms(sale.closes_at)),
            headers=NO_STORE,
        )


def _count_pass(buyer: str) -> None:
    """Count one more pass against the buyer's limit, which the gate shares.

    Without Redis nothing is counted: a pass does not need the line, and the session authenticates the buyer.

    Raises:
        ProblemError: The buyer exceeded ``PASS_RATE``.
    """
    try:
        issued = get_line().run(count_pass(buyer, settings.PASS_RATE))
    except redis.RedisError as error:
        log.warning("server_unavailable", server="redis", error=str(error))
        return
    if issued.results == [PassResult.TOO_MANY]:
        raise ProblemError(Problem.THROTTLED, headers={"Retry-After": str(issued.retry_after_seconds)})


class SyncPurchaseApi(APIView):
    """Purchase within one request: the same line and ledger, but the order is settled before the response."""

    authentication_classes = (PassAuthentication,)
    permission_classes = (HasPass,)

    @extend_schema(request=None, responses={201: OrderSerializer}, operation_id="purchase_sync")
    def post(self, request: Request, sale_id: int) -> Response:
        """Purchase and wait for the order. Return 201 with the order, the same one on every repeat.

        409 ``sold_out`` while no unit is left.
        """
        buyer_pass = cast("Pass", request.auth)  # checked by HasPass
        if buyer_pass.sale_id != sale_id:
            raise BadPassError("The pass is for another sale.")
        line = get_line()
        place = line.run(commands.admit(sale_id, [buyer_pass.buyer])).places[0]
        if isinstance(place, RejectReason):
            raise ProblemError(Problem[place.name])
        try:
            order = settle_and_wait(line, sale_id, buyer_pass.buyer, place)
        except TimeoutError as error:
            raise ProblemError(Problem.UNAVAILABLE, str(error)) from error
        if order is None:
            raise ProblemError(Problem.SOLD_OUT, place=place)
        return Response(OrderSerializer(order).data, status=status.HTTP_201_CREATED)
