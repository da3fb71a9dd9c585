"""Shared by the tests of the outbox."""

from collections.abc import Callable
from typing import TypeVar

from django.db import connection
from django.utils import timezone

from orders.models import Order
from tests.orders.crowd import at_once

T = TypeVar("T")


def let_time_pass(*orders: Order) -> None:
    """Make these orders overdue."""
    Order.objects.filter(pk__in=[order.pk for order in orders]).update(pay_before=timezone.now())


def meanwhile(call: Callable[[], T]) -> T:
    """Return what another process leases, which must not wait for a row locked here."""

    def run() -> T:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '3s'")
            try:
                return call()
            finally:
                cursor.execute("RESET lock_timeout")

    return at_once([run])[0]
