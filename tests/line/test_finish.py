"""Finish: close a sale for good once no waiting buyer can win."""

import pytest

from seckill.line.commands import RejectReason, SaleNotLoadedError
from tests.line.conftest import LoadSale
from tests.line.sale_in_line import SaleInLine


def test_a_sold_out_sale_ends_for_those_who_wait(load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga", "amir", "bea")
    sale.confirm_all(sale.reserve_places("c1"))
    before_ms = sale.redis_now_ms()

    ended_ms = sale.finish()

    assert before_ms <= ended_ms <= sale.redis_now_ms()
    seen = sale.snapshot()
    assert (seen.ended_ms, seen.waiting, seen.stock) == (ended_ms, 2, 0)
    assert sale.admit("carl", "olga") == [RejectReason.SOLD_OUT, 1]


def test_ending_a_sale_twice_returns_the_same_time(load_sale: LoadSale) -> None:
    sale = load_sale(stock=0)
    ended_ms = sale.finish()
    before = sale.contents()
    while sale.redis_now_ms() <= ended_ms:
        pass

    assert sale.finish() == ended_ms

    assert sale.contents() == before


def test_a_sale_with_units_and_nobody_waiting_can_end(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    sale.admit("olga")
    sale.confirm_all(sale.reserve_places("c1"))

    assert sale.finish() > 0


def test_a_sale_with_units_for_people_who_wait_goes_on(load_sale: LoadSale) -> None:
    sale = load_sale(stock=2)
    sale.admit("olga", "amir", "bea")
    sale.confirm_all(sale.reserve_places("c1", upto=1))
    before = sale.contents()

    assert sale.finish() == 0

    assert sale.contents() == before


def test_a_sale_with_an_open_reservation_goes_on(load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga")
    claim = sale.reserve_places("c1")
    before = sale.contents()

    assert sale.finish() == 0

    assert sale.contents() == before
    sale.confirm_all(claim)
    assert sale.finish() > 0


def test_a_recovering_sale_goes_on(load_sale: LoadSale) -> None:
    sale = load_sale(stock=0, rejoin_seconds=60)
    before = sale.contents()

    assert sale.finish() == 0

    assert sale.contents() == before


def test_an_ended_sale_reserves_nothing_when_a_unit_comes_back(load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga", "amir")
    sale.confirm_all(sale.reserve_places("c1"))
    sale.finish()
    sale.configure(sale.config(stock=2))

    assert sale.reserve("c2") is None

    assert (sale.snapshot().stock, sale.snapshot().pointer) == (1, 1)


def test_a_sale_that_is_not_loaded_cannot_end(unloaded_sale: SaleInLine) -> None:
    with pytest.raises(SaleNotLoadedError):
        unloaded_sale.finish()

    assert unloaded_sale.contents() == {}
