"""Fixtures of these tests."""

from collections.abc import Iterator

import pytest

from loadtest.benchmark.shop import MeasuredShop
from loadtest.systems import LINE
from tests import servers
from tests.shop.conftest import seed


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeasuredShop]:
    """The line's shop, running."""
    measured = MeasuredShop(LINE, seed(), tmp_path_factory.mktemp("bench") / "line", servers.postgres)
    try:
        measured.open()
        yield measured
    finally:
        measured.close()
