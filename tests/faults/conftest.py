"""Shops for fault injection, shared by the cases of a module while they pass, and the report of each case."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from devtools.embedded.shop import Seed
from tests.faults.case import Case, new_seed
from tests.faults.shop import FaultyShop
from tests.machine import lacks
from tests.rabbitmq import NoRabbitError, Rabbit
from tests.shop.conftest import seed as common_seed

OpenShop = Callable[..., FaultyShop]
MakeCase = Callable[..., Case]


def _show(shop: FaultyShop) -> None:
    for name in shop.parts:
        print(f"--- {name}\n{shop.log(name)[-6000:]}")


@pytest.fixture
def open_shop() -> Iterator[OpenShop]:
    """Return a function that opens a shop for this case alone."""
    with ExitStack() as stack:

        def open_(*, seed: Seed | None = None, **more: Any) -> FaultyShop:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seckill-faults-")))
            directory.chmod(0o755)
            shop = FaultyShop(directory, seed or common_seed(), **more)
            stack.callback(_show, shop)
            stack.callback(shop.close)
            shop.open(stock=1)
            return shop

        yield open_


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    """A running RabbitMQ. Without one the cases are skipped; in CI they fail."""
    try:
        running = Rabbit(tmp_path_factory.mktemp("rabbitmq"))
        running.start()
    except NoRabbitError as error:
        lacks(f"NO RABBITMQ, SO THE SHOP WAS NOT TESTED ON IT: {error}")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def _kept() -> Iterator[list[FaultyShop]]:
    kept: list[FaultyShop] = []
    yield kept
    for shop in kept:
        shop.close()


@pytest.fixture
def shop(request: pytest.FixtureRequest, _kept: list[FaultyShop], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module's shop with all parts running. After a failed case the next one gets a new shop."""
    if not _kept:
        directory = tmp_path_factory.mktemp("shop")
        _kept.append(FaultyShop(directory / "shop", common_seed()))
        try:
            _kept[0].open(stock=1)
        except TimeoutError:
            _show(_kept[0])
            raise
    shop = _kept[0]
    shop.supervise()
    failed_before = request.session.testsfailed
    yield shop
    if request.session.testsfailed > failed_before:
        _kept.clear()
        shop.close()
        _show(shop)


@pytest.fixture
def make_case(request: pytest.FixtureRequest) -> MakeCase:
    """Return a function that creates a case of a shop. Seed and recovery time go into the report."""

    def make(shop: FaultyShop, **more: Any) -> Case:
        number = new_seed()
        request.node.user_properties.append(("seed", str(number)))

        def tell(seconds: str) -> None:
            request.node.user_properties.append(("recovered", seconds))

        print(f"SEED={number}")
        return Case(shop, seed=number, tell=tell, **more)

    return make
