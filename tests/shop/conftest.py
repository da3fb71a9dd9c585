"""Shops for end-to-end tests: each with its own processes and database."""

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from devtools.embedded.shop import PROCESSES, Seed, Shop
from tests import servers

OpenShop = Callable[..., Shop]
#: What a sale needs. A test that needs more starts it: each process takes seconds of CPU time.
SELLING = {name: PROCESSES[name] for name in ("web", "worker", "notifications", "beat")}


@cache
def seed() -> Seed:
    """The initial data of every shop, made once."""
    assert servers.directory is not None
    return Seed(servers.directory / "seeded", servers.postgres)


@pytest.fixture
def open_shop() -> Iterator[OpenShop]:
    """Return a function that opens a shop. It is closed after the test; its logs are printed if the test failed."""
    shops: list[Shop] = []
    with tempfile.TemporaryDirectory(prefix="seckill-shop-") as directory:

        def open_(*, stock: int = 100, **environment: str) -> Shop:
            shop = Shop(Path(directory), seed(), SELLING, {"SECKILL_LOG_LEVEL": "INFO", **environment})
            shops.append(shop)
            shop.open(stock=stock)
            return shop

        yield open_
        for shop in shops:
            shop.close()
            for name in shop.parts:
                print(f"--- {name}\n{shop.log(name)[-4000:]}")
