"""Order API: list, view, pay and cancel the buyer's own orders."""

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orders.models import Order, is_order_number
from orders.payment import OrderDecidedError, cancel, pay
from seckill.accounts.buyers import buyer_of_user
from seckill.api.authentication import PassAuthentication, SessionAuthentication
from seckill.api.cache_control import NO_STORE
from seckill.api.exceptions import ProblemError
from seckill.api.permissions import IsBuyer
from seckill.errors.problems import Problem
from seckill.line.passes import Pass

LISTED_MAX = 100


class OrderSerializer(serializers.ModelSerializer[Order]):
    """An order as its buyer sees it."""

    product = serializers.CharField(source="sale.product.name")

    class Meta:
        model = Order
        fields = (
            "number", "sale", "product", "place", "price", "currency", "status", "created_at", "pay_before",
            "status_changed_at",
        )  # fmt: skip


class BuyerApi(APIView):
    """Base view on the caller's own orders. Orders of other buyers are 404."""

    authentication_classes = (PassAuthentication, SessionAuthentication)
    permission_classes = (IsBuyer,)

    def orders(self, request: Request) -> QuerySet[Order]:
        """Return the caller's orders: with a pass those of its sale, with a session all."""
        orders = Order.objects.select_related("sale__product")
        if isinstance(request.auth, Pass):
            return orders.filter(buyer=request.auth.buyer, sale=request.auth.sale_id)
        return orders.filter(buyer=buyer_of_user(request.user))

    def order(self, request: Request, number: str) -> Order:
        """Return one of the caller's orders.

        Raises:
            Http404: The number is malformed, or the caller has no such order.
        """
        if not is_order_number(number):
            raise Http404
        return get_object_or_404(self.orders(request), number=number)


class OrdersApi(BuyerApi):
    """The caller's orders."""

    @extend_schema(responses=OrderSerializer(many=True), operation_id="orders")
    def get(self, request: Request) -> Response:
        """Return the caller's latest 100 orders, newest first."""
        return Response(OrderSerializer(self.orders(request)[:LISTED_MAX], many=True).data, headers=NO_STORE)


class OrderApi(BuyerApi):
    """One order."""

    @extend_schema(responses=OrderSerializer, operation_id="order")
    def get(self, request: Request, number: str) -> Response:
        """Return an order, or 404."""
        return Response(OrderSerializer(self.order(request, number)).data, headers=NO_STORE)


class PayApi(BuyerApi):
    """Pay an order (simulated: no money moves)."""

    @extend_schema(request=None, responses=OrderSerializer, operation_id="pay")
    def post(self, request: Request, number: str) -> Response:
        """Pay an order (simulated: no money moves).

        Return the paid order, also if it was paid before. 409 ``order_decided`` if it is cancelled or expired.
        """
        order = self.order(request, number)
        try:
            return Response(OrderSerializer(pay(order)).data)
        except OrderDecidedError as error:
            raise ProblemError(Problem.ORDER_DECIDED, order_status=error.order.status) from error


class CancelApi(BuyerApi):
    """Cancel a pending order."""

    @extend_schema(request=None, responses=OrderSerializer, operation_id="cancel")
    def post(self, request: Request, number: str) -> Response:
        """Cancel a pending order. The next buyer in line gets its unit within seconds.

        Return the cancelled order, also if it was cancelled before. 409 ``order_decided`` if it is paid or expired.
        """
        order = self.order(request, number)
        try:
            return Response(OrderSerializer(cancel(order)).data)
        except OrderDecidedError as error:
            raise ProblemError(Problem.ORDER_DECIDED, order_status=error.order.status) from error
