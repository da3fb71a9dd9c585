"""Rejoin: holders of tickets return to a line that has lost them."""

import pytest

from seckill.line.commands import SaleNotLoadedError
from tests.line.conftest import LoadSale
from tests.line.sale_in_line import SaleInLine, order


def test_a_crowd_that_comes_back_in_any_order_stands_as_it_stood(load_sale: LoadSale) -> None:
    sale = load_sale(epoch=2, rejoin_seconds=60)

    assert sale.rejoin("carl", 4) == (2, 4)
    assert sale.rejoin("olga", 1) == (2, 1)
    assert sale.rejoin("eve", 5) == (2, 5)
    assert sale.rejoin("bea", 3) == (2, 3)

    assert sale.buyers_in_line() == ["olga", "", "bea", "carl", "eve"]
    assert sale.places() == {"olga": 1, "bea": 3, "carl": 4, "eve": 5}


def test_rejoining_twice_gives_the_same_place(load_sale: LoadSale) -> None:
    sale = load_sale()
    assert sale.rejoin("carl", 4) == (1, 4)
    before = sale.contents()

    assert sale.rejoin("carl", 4) == (1, 4)

    assert sale.contents() == before


def test_a_buyer_who_stands_in_line_already_keeps_that_place(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.admit("olga", "amir")

    assert sale.rejoin("amir", 9) == (1, 2)

    assert sale.buyers_in_line() == ["olga", "amir"]


def test_a_place_that_is_taken_meanwhile_leads_to_the_end(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.admit("olga", "amir", "bea")

    assert sale.rejoin("late", 2) == (1, 4)

    assert sale.buyers_in_line() == ["olga", "amir", "bea", "late"]


def test_a_hole_that_the_pointer_has_passed_leads_to_the_end(load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.rejoin("olga", 3)
    sale.confirm_all(sale.reserve_places("c1"))
    assert sale.snapshot().pointer == 3

    assert sale.rejoin("late", 2) == (1, 4)

    assert sale.buyers_in_line() == ["", "", "olga", "late"]


def test_a_hole_just_behind_the_pointer_is_still_free(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    sale.rejoin("eve", 5)
    assert sale.reserve("c1", upto=2) is None
    assert sale.snapshot().pointer == 2

    assert sale.rejoin("bea", 3) == (1, 3)
    assert sale.rejoin("amir", 2) == (1, 6)

    assert sale.buyers_in_line() == ["", "", "bea", "", "eve", "amir"]


def test_thousands_may_be_missing_before_the_first_who_comes_back(load_sale: LoadSale) -> None:
    sale = load_sale(line_limit=5000, stock=1)

    assert sale.rejoin("patient", 2503) == (1, 2503)

    assert sale.buyers_in_line() == [""] * 2502 + ["patient"]
    assert sale.reserve_places("c1", chunk=500).places == [(2503, "patient")]


def test_a_place_beyond_the_longest_line_leads_to_the_end(load_sale: LoadSale) -> None:
    sale = load_sale(line_limit=10)
    sale.admit("olga")

    assert sale.rejoin("edge", 10) == (1, 10)
    assert sale.rejoin("beyond", 11) == (1, 11)  # beyond the line: appended, without padding
    assert sale.rejoin("far", 4_000_000_000) == (1, 12)

    assert sale.buyers_in_line() == ["olga", *[""] * 8, "edge", "beyond", "far"]


def test_the_crowd_may_come_back_while_the_sale_is_paused_closed_or_recovering(load_sale: LoadSale) -> None:
    sale = load_sale(rejoin_seconds=60, status="paused")
    assert sale.rejoin("olga", 1) == (1, 1)

    sale.configure(sale.config(status="closed", closes_in_ms=-1))
    assert sale.rejoin("amir", 2) == (1, 2)


def test_nobody_comes_back_to_a_sale_that_has_ended(load_sale: LoadSale) -> None:
    sale = load_sale(epoch=6, ended_ms=1_700_000_000_000)
    before = sale.contents()

    assert sale.rejoin("late", 3) == (6, 0)

    assert sale.contents() == before


def test_a_buyer_with_a_place_in_an_ended_sale_gets_that_place(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.restore([(2, "amir", order("2"))])
    sale.rebuild(sale.config(), epoch=2, ended_ms=1_700_000_000_000)

    assert sale.rejoin("amir", 2) == (2, 2)


def test_nobody_rejoins_a_sale_that_is_not_loaded(unloaded_sale: SaleInLine) -> None:
    with pytest.raises(SaleNotLoadedError):
        unloaded_sale.rejoin("olga", 1)

    assert unloaded_sale.contents() == {}
