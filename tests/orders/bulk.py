"""Orders written straight to the ledger, for those who only read it."""

import csv
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from orders.models import Export, Order
from seckill.catalog.models import Sale


def write_orders(sale: Sale, count: int, **fields: Any) -> list[Order]:
    """So many orders to be paid, of buyers ``b1``, ``b2`` … at the next places."""
    now = timezone.now()
    first = sale.orders.count() + 1
    return Order.objects.bulk_create(
        Order(
            **{
                "sale": sale, "buyer": f"b{place}", "place": place, "price": "19.90", "currency": "USD",
                "created_at": now, "pay_before": now + timedelta(minutes=15), **fields,
            }
        )
        for place in range(first, first + count)
    )  # fmt: skip


def empty_storage(settings: Settings, directory: Path) -> None:
    """Have exports written below an empty directory."""
    there = settings.STORAGES["exports"]
    moved = there | {"OPTIONS": there["OPTIONS"] | {"location": directory / "exports"}}
    settings.STORAGES = {**settings.STORAGES, "exports": moved}


def clerk(username: str = "clerk") -> User:
    """Somebody who asks for exports."""
    return User.objects.get_or_create(username=username)[0]


def new_export(**wanted: Any) -> Export:
    """An export that nobody has asked for yet."""
    return Export(**{"requested_by": clerk(), **wanted})


def rows(content: Iterable[bytes]) -> list[dict[str, str]]:
    """The rows of a CSV file, by its header."""
    return list(csv.DictReader(b"".join(content).decode().splitlines()))


def buyers(content: Iterable[bytes]) -> list[str]:
    """Whose orders they are."""
    return [row["buyer"] for row in rows(content)]
