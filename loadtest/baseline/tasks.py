"""The order task: take one unit in Redis and write one order."""

from contextlib import closing
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import redis
from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from loadtest.baseline.celery import app
from orders.downstream import ConcurrencyLimiter
from orders.models import Order
from seckill.catalog.models import Sale

if TYPE_CHECKING:
    from redis.commands.core import Script


class Outcome(TypedDict, total=False):
    """The result of a purchase."""

    status: str  #: confirmed or sold_out
    order: str


@cache
def _stock_script() -> "Script":
    client = redis.Redis.from_url(settings.REDIS_URL)
    return client.register_script((Path(__file__).parent / "take.lua").read_text(encoding="utf-8"))


@app.task
def create_order(sale_id: int, buyer: str) -> Outcome:
    """Take a unit for the buyer and write the order. Idempotent: a second run returns the same outcome."""
    sale = Sale.objects.get(pk=sale_id)
    place = int(
        _stock_script()(keys=[f"baseline:{sale_id}:stock", f"baseline:{sale_id}:buyers"], args=[buyer, sale.stock])
    )
    if not place:
        return {"status": "sold_out"}
    with closing(ConcurrencyLimiter(1)) as slots:
        slots.call_downstream([buyer])
    now = timezone.now()
    try:
        order = Order.objects.create(
            sale=sale,
            buyer=buyer,
            place=place,
            price=sale.price,
            currency=sale.currency,
            created_at=now,
            pay_before=now + timedelta(seconds=sale.pay_within_seconds),
        )
    except IntegrityError:  # the buyer sent the purchase twice
        order = Order.objects.get(sale=sale, buyer=buyer)
    return {"status": "confirmed", "order": order.number}
