"""Confirm: write the ledger's outcomes once and count units once."""

import pytest
from django.conf import settings

from seckill.line.commands import SaleNotLoadedError
from tests.line.conftest import LoadSale
from tests.line.sale_in_line import AT_ONCE, CANCELLED, EXPIRED, order


def test_confirmed_buyers_have_their_orders_and_the_reservation_is_closed(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    sale.admit("olga", "amir")

    units_left = sale.confirm(
        sale.reserve_places("c1"), {"olga": order("0000-0000-0001"), "amir": order("0000-0000-0002")}
    )

    assert units_left == 3
    assert sale.outcome("olga") == order("0000-0000-0001")
    assert sale.outcome("amir") == order("0000-0000-0002")
    assert (sale.snapshot().reserved_units, sale.snapshot().stock) == (0, 3)


def test_confirming_twice_moves_no_unit(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    sale.admit("olga", "amir")
    claim = sale.reserve_places("c1")
    assert sale.confirm_all(claim) == 3
    before = sale.contents()

    assert sale.confirm_all(claim) == 3

    assert sale.contents() == before


def test_the_first_outcome_written_stays(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    sale.admit("olga")
    claim = sale.reserve_places("c1")
    sale.confirm(claim, {"olga": order("0000-0000-0001")})

    sale.confirm(claim, {"olga": order("9999-9999-9999")})

    assert sale.outcome("olga") == order("0000-0000-0001")


def test_whoever_is_left_out_of_the_ledger_gives_the_unit_back(load_sale: LoadSale) -> None:
    sale = load_sale(stock=3)
    sale.admit("olga", "amir", "bea")

    assert sale.confirm(sale.reserve_places("c1"), {"bea": order("0000-0000-0003")}) == 2

    assert sale.outcome("olga") is None
    assert sale.snapshot().reserved_units == 0


def test_an_empty_confirmation_returns_all_units_of_the_reservation(load_sale: LoadSale) -> None:
    sale = load_sale(stock=3)
    sale.admit("olga", "amir")

    assert sale.confirm(sale.reserve_places("c1"), {}) == 3

    assert "outcomes" not in sale.contents()


def test_an_order_released_before_its_confirmation_holds_no_unit(load_sale: LoadSale) -> None:
    sale = load_sale(stock=3)
    sale.admit("olga", "amir", "bea")

    units_left = sale.confirm(
        sale.reserve_places("c1"), {"olga": order("0000-0000-0001"), "amir": CANCELLED, "bea": EXPIRED}
    )

    assert units_left == 2
    assert sale.outcome("amir") == CANCELLED
    assert sale.outcome("bea") == EXPIRED


@pytest.mark.parametrize("heir_first", [True, False])
def test_a_reservation_confirmed_by_both_its_workers_is_counted_once(load_sale: LoadSale, heir_first: bool) -> None:
    sale = load_sale(stock=5)
    sale.admit("olga", "amir", "bea")
    silent = sale.reserve_places("silent")
    heir = sale.reserve_places("heir", lease_seconds=AT_ONCE)
    assert heir.places == silent.places

    units_left = [sale.confirm_all(claim) for claim in ((heir, silent) if heir_first else (silent, heir))]

    # Without a reservation the stock pays for the confirmation; the next worker's confirm returns the reserved units.
    assert units_left == ([2, 2] if heir_first else [-1, 2])
    assert (sale.snapshot().reserved_units, sale.snapshot().stock) == (0, 2)


def test_two_workers_who_confirm_different_halves_of_one_reservation_use_each_unit_once(load_sale: LoadSale) -> None:
    sale = load_sale(stock=4)
    sale.admit("olga", "amir", "bea")
    silent = sale.reserve_places("silent")
    heir = sale.reserve_places("heir", lease_seconds=AT_ONCE)

    assert sale.confirm(silent, {"olga": order("1"), "amir": order("2")}) == -1
    assert sale.confirm(heir, {"amir": order("2"), "bea": order("3")}) == 1

    assert (sale.snapshot().reserved_units, sale.snapshot().stock) == (0, 1)


def test_a_reservation_from_before_a_rebuild_pays_for_what_it_confirms(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    sale.admit("olga", "amir")
    old = sale.reserve_places("old")
    sale.line.invalidate(7)
    sale.rebuild(sale.config(stock=5), epoch=2)
    assert sale.snapshot().stock == 5

    assert sale.confirm_all(old) == 3

    assert sale.reserve("new") is None  # both are decided
    assert (sale.snapshot().pointer, sale.snapshot().stock) == (2, 3)


def test_places_reserved_again_after_a_rebuild_are_counted_once(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    sale.admit("olga", "amir")
    old = sale.reserve_places("old")
    sale.line.invalidate(7)
    sale.rebuild(sale.config(stock=5), epoch=2)
    new = sale.reserve_places("new")
    assert new.places == old.places

    assert sale.confirm_all(old) == 1
    assert sale.confirm_all(new) == 3

    assert sale.snapshot().reserved_units == 0


def test_a_line_that_is_not_loaded_takes_no_confirmation(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.admit("olga")
    claim = sale.reserve_places("c1")
    sale.line.invalidate(7)

    with pytest.raises(SaleNotLoadedError):
        sale.confirm_all(claim)

    assert sale.outcome("olga") is None
    assert sorted(sale.contents()) == ["line", "places"]


def test_a_full_chunk_is_confirmed_in_one_call(load_sale: LoadSale) -> None:
    sale = load_sale(stock=2000, line_limit=2000)
    sale.admit(*(f"b{number}" for number in range(1, 1001)))
    sale.admit(*(f"b{number}" for number in range(1001, 2001)))

    assert sale.confirm_all(sale.reserve_places("c1", chunk=settings.SETTLE_CHUNK_MAX)) == 0

    assert sale.line.client.hlen(sale.keys.outcomes) == 2000
    assert sale.outcome("b2000") == order("ORDER-2000")
