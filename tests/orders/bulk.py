"""Orders written straight to the ledger, for tests that only read them."""

import csv
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone
from pytest_django import Settings

from orders.models import Export, Order
from seckill.accounts.models import User
from seckill.catalog.models import Sale


def write_orders(sale: Sale, count: int, **fields: Any) -> list[Order]:
    """Write ``count`` unpaid orders of buyers ``b1``, ``b2`` … at the next places."""
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
    """Keep exports in an empty directory."""
    there = settings.STORAGES["exports"]
    moved = there | {"OPTIONS": there["OPTIONS"] | {"location": directory / "exports"}}
    settings.STORAGES = {**settings.STORAGES, "exports": moved}


def clerk(username: str = "clerk") -> User:
    """A user who may request exports."""
    return User.objects.get_or_create(username=username)[0]


def new_export(**wanted: Any) -> Export:
    """Return an unsaved export."""
    return Export(**{"requested_by": clerk(), **wanted})


def rows(content: Iterable[bytes]) -> list[dict[str, str]]:
    """Return the rows of a CSV file as dicts."""
    return list(csv.DictReader(b"".join(content).decode().splitlines()))


def buyers(content: Iterable[bytes]) -> list[str]:
    """Return the buyers of the rows."""
    return [row["buyer"] for row in rows(content)]
