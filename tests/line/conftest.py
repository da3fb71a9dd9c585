"""Sales that exist only in Redis."""

from collections.abc import Callable
from typing import Any

import pytest

from seckill.line.line import Line
from tests.line.sale_in_line import SaleInLine

LoadSale = Callable[..., SaleInLine]


@pytest.fixture
def unloaded_sale(line: Line) -> SaleInLine:
    """A sale that is not loaded."""
    return SaleInLine(line, 404)


@pytest.fixture
def load_sale(line: Line) -> LoadSale:
    """Return a function that loads sale 7: opened an hour ago, ending in an hour, with 3 units by default."""

    def load(
        *,
        epoch: int = 1,
        stock_left: int | None = None,
        pointer: int = 0,
        rejoin_seconds: float = 0,
        ended_ms: int = 0,
        **config: Any,
    ) -> SaleInLine:
        sale = SaleInLine(line, 7)
        sale.rebuild(
            sale.config(**config),
            epoch=epoch,
            stock_left=stock_left,
            pointer=pointer,
            rejoin_seconds=rejoin_seconds,
            ended_ms=ended_ms,
        )
        return sale

    return load
