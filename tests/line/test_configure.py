"""Configure: change a running sale."""

import pytest

from seckill.line.commands import RejectReason, SaleNotLoadedError
from tests.line.conftest import LoadSale
from tests.line.sale_in_line import SaleInLine


def test_more_stock_serves_those_who_wait(load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga", "amir", "bea")
    sale.confirm_all(sale.reserve_places("c1"))

    assert sale.configure(sale.config(stock=3)) == 2

    assert sale.reserve_places("c2").places == [(2, "amir"), (3, "bea")]
    assert sale.snapshot().stock_total == 3


def test_configuring_twice_moves_the_stock_once(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    config = sale.config(stock=12)
    assert sale.configure(config) == 12
    before = sale.contents()

    assert sale.configure(config) == 12

    assert sale.contents() == before


def test_less_stock_takes_units_that_are_neither_sold_nor_reserved(load_sale: LoadSale) -> None:
    sale = load_sale(stock=10)
    sale.admit("olga", "amir")
    sale.confirm_all(sale.reserve_places("c1", upto=1))
    sale.reserve_places("c2")

    assert sale.configure(sale.config(stock=4)) == 2

    seen = sale.snapshot()
    assert (seen.stock_total, seen.stock, seen.reserved_units) == (4, 2, 1)


def test_stock_cut_below_what_is_reserved_goes_below_zero_and_shows_nothing_left(load_sale: LoadSale) -> None:
    sale = load_sale(stock=3)
    sale.admit("olga", "amir", "bea", "carl")
    sale.reserve_places("c1")

    assert sale.configure(sale.config(stock=2)) == -1

    assert sale.snapshot().remaining == 0
    assert sale.reserve("c2") is None


def test_window_status_and_limit_follow_the_shop(load_sale: LoadSale) -> None:
    sale = load_sale(epoch=4, line_limit=1)
    assert sale.admit("olga", "amir") == [1, RejectReason.SOLD_OUT]
    config = sale.config(opens_in_ms=-7000, closes_in_ms=8000, status="paused", line_limit=2)

    sale.configure(config)

    seen = sale.snapshot()
    assert (seen.opens_ms, seen.closes_ms) == (config.opens_ms, config.closes_ms)
    assert (seen.status, seen.line_limit, seen.epoch) == ("paused", 2, 4)
    assert sale.admit("amir") == [RejectReason.PAUSED]
    sale.configure(sale.config(line_limit=2))
    assert sale.admit("amir") == [2]


def test_an_ended_sale_does_not_come_back_with_new_stock(load_sale: LoadSale) -> None:
    sale = load_sale(stock=2, ended_ms=1_700_000_000_000)

    sale.configure(sale.config(stock=9))

    assert sale.snapshot().ended_ms == 1_700_000_000_000
    assert sale.admit("olga") == [RejectReason.SOLD_OUT]


@pytest.mark.parametrize("lost", ["meta", "stock"])
def test_a_sale_that_redis_remembers_by_half_cannot_be_configured(load_sale: LoadSale, lost: str) -> None:
    sale = load_sale()
    sale.line.client.delete(getattr(sale.keys, lost))
    before = sale.contents()

    with pytest.raises(SaleNotLoadedError):
        sale.configure(sale.config(stock=9))

    assert sale.contents() == before


def test_a_sale_that_is_not_loaded_cannot_be_configured(unloaded_sale: SaleInLine) -> None:
    with pytest.raises(SaleNotLoadedError):
        unloaded_sale.configure(unloaded_sale.config())

    assert unloaded_sale.contents() == {}
