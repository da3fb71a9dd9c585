"""Release: units of cancelled and expired orders return to the stock, once each."""

import pytest

from seckill.line.commands import SaleNotLoadedError
from tests.line.conftest import LoadSale
from tests.line.sale_in_line import AT_ONCE, CANCELLED, EXPIRED, SaleInLine


def test_a_returned_unit_goes_to_the_next_in_line(load_sale: LoadSale) -> None:
    sale = load_sale(stock=2)
    sale.admit("olga", "amir", "bea", "carl")
    sale.confirm_all(sale.reserve_places("c1"))
    assert sale.reserve("c2") is None

    assert sale.release({"olga": CANCELLED}) == 1

    assert sale.outcome("olga") == CANCELLED
    assert sale.reserve_places("c2").places == [(3, "bea")]
    assert (sale.snapshot().stock, sale.snapshot().waiting) == (0, 1)


def test_releasing_twice_returns_the_unit_once(load_sale: LoadSale) -> None:
    sale = load_sale(stock=2)
    sale.admit("olga", "amir")
    sale.confirm_all(sale.reserve_places("c1"))
    assert sale.release({"olga": CANCELLED, "amir": EXPIRED}) == 2
    before = sale.contents()

    assert sale.release({"olga": CANCELLED, "amir": EXPIRED}) == 0

    assert sale.contents() == before
    assert sale.snapshot().stock == 2


def test_a_buyer_named_twice_in_one_release_returns_one_unit(load_sale: LoadSale) -> None:
    sale = load_sale(stock=2)
    sale.admit("olga", "amir")
    sale.confirm_all(sale.reserve_places("c1"))
    sale.release({"olga": CANCELLED})

    assert sale.release({"olga": CANCELLED, "amir": EXPIRED}) == 1

    assert sale.snapshot().stock == 2


def test_a_released_buyer_is_passed_and_keeps_the_place(load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga")
    sale.confirm_all(sale.reserve_places("c1"))
    sale.release({"olga": EXPIRED})

    assert sale.admit("olga", "amir") == [1, 2]
    assert sale.reserve_places("c2").places == [(2, "amir")]


def test_an_order_released_under_an_open_reservation_is_counted_when_the_reservation_closes(
    load_sale: LoadSale,
) -> None:
    sale = load_sale(stock=2)
    sale.admit("olga", "amir")
    claim = sale.reserve_places("c1")

    assert sale.release({"olga": CANCELLED}) == 0
    assert (sale.snapshot().stock, sale.snapshot().reserved_units) == (0, 2)

    assert sale.confirm_all(claim) == 1
    assert sale.outcome("olga") == CANCELLED
    assert sale.snapshot().reserved_units == 0


def test_an_order_released_under_a_reservation_nobody_closes_frees_its_unit_on_take_over(load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga", "amir")
    sale.reserve_places("silent")
    assert sale.release({"olga": CANCELLED}) == 0

    assert sale.reserve_places("heir", lease_seconds=AT_ONCE).places == [(2, "amir")]

    assert (sale.snapshot().stock, sale.snapshot().reserved_units) == (0, 1)


def test_a_release_between_the_two_confirmations_of_a_doubled_reservation_loses_no_unit(load_sale: LoadSale) -> None:
    sale = load_sale(stock=3)
    sale.admit("olga", "amir")
    silent = sale.reserve_places("silent")
    heir = sale.reserve_places("heir", lease_seconds=AT_ONCE)

    assert sale.confirm_all(silent) == -1
    assert sale.release({"olga": CANCELLED}) == 1
    assert sale.snapshot().stock == 0
    assert sale.confirm_all(heir) == 2

    assert sale.outcome("olga") == CANCELLED


def test_a_sale_that_is_not_loaded_takes_nothing_back(unloaded_sale: SaleInLine) -> None:
    with pytest.raises(SaleNotLoadedError):
        unloaded_sale.release({"olga": CANCELLED})

    assert unloaded_sale.contents() == {}


def test_a_line_that_is_not_loaded_takes_nothing_back(load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga")
    sale.confirm_all(sale.reserve_places("c1"))
    sale.line.invalidate(7)

    with pytest.raises(SaleNotLoadedError):
        sale.release({"olga": CANCELLED})

    assert sale.outcome("olga") is None
