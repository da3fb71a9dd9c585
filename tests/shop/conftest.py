"""Shops for the tests of the whole: one process each, one database each."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shop.processes import Shop

OpenShop = Callable[..., Shop]


@pytest.fixture
def open_shop() -> Iterator[OpenShop]:
    """A function that opens a shop; it is closed after the test, and its logs are shown if the test failed."""
    shops: list[Shop] = []
    with tempfile.TemporaryDirectory(prefix="seckill-shop-") as directory:

        def open_(*, stock: int = 100) -> Shop:
            shop = Shop(Path(directory))
            shops.append(shop)
            shop.open(stock=stock)
            return shop

        yield open_
        for shop in shops:
            shop.close()
            for name in ("web", "worker", "beat"):
                print(f"--- {name}\n{shop.log(name)[-4000:]}")
