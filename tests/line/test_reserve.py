"""Reserve: workers reserve the next places, as many as there are units."""

from typing import Any

import pytest
from django.conf import settings

from seckill.line import commands
from seckill.line.commands import SaleNotLoadedError
from tests.line.conftest import LoadSale
from tests.line.sale_in_line import AT_ONCE, CANCELLED, SaleInLine, order


def test_a_worker_reserves_the_first_places_in_order(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5, epoch=4)
    sale.admit("olga", "amir", "bea")

    claim = sale.reserve_places("c1", upto=2)

    assert claim == commands.Reservation("c1", 7, 4, [(1, "olga"), (2, "amir")])
    seen = sale.snapshot()
    assert (seen.pointer, seen.stock, seen.reserved_units, seen.waiting) == (2, 3, 2, 1)


def test_the_same_reservation_requested_twice_holds_the_same_places(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    sale.admit("olga", "amir", "bea")
    claim = sale.reserve_places("c1", upto=2)
    before = sale.contents()

    assert sale.reserve_places("c1", upto=3) == claim

    assert sale.contents() == before


def test_two_workers_never_hold_the_same_place(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    sale.admit("olga", "amir", "bea", "carl")

    first = sale.reserve_places("c1", chunk=3)
    second = sale.reserve_places("c2", chunk=3)

    assert first.places == [(1, "olga"), (2, "amir"), (3, "bea")]
    assert second.places == [(4, "carl")]
    assert sale.reserve("c3", chunk=3) is None
    assert sale.snapshot().reserved_units == 4


def test_the_pointer_stops_where_the_stock_ends(load_sale: LoadSale) -> None:
    sale = load_sale(stock=2)
    sale.admit("olga", "amir", "bea", "carl")

    assert sale.reserve_places("c1").places == [(1, "olga"), (2, "amir")]

    seen = sale.snapshot()
    assert (seen.pointer, seen.stock, seen.waiting) == (2, 0, 2)
    assert seen.sold_out_ms == seen.now_ms or seen.opens_ms < seen.sold_out_ms < seen.now_ms
    before = sale.contents()
    assert sale.reserve("c2") is None
    assert sale.contents() == before


def test_a_sale_with_units_left_was_never_sold_out(load_sale: LoadSale) -> None:
    sale = load_sale(stock=3)
    sale.admit("olga", "amir")

    sale.reserve_places("c1")

    assert sale.snapshot().stock == 1
    assert sale.snapshot().sold_out_ms == 0


@pytest.mark.parametrize("upto", [0, 1])
def test_nothing_is_reserved_beyond_the_place_the_doorbell_named(load_sale: LoadSale, upto: int) -> None:
    sale = load_sale()
    sale.admit("olga", "amir")
    if upto:
        sale.confirm_all(sale.reserve_places("c1", upto=upto))
    before = sale.contents()

    assert sale.reserve("c2", upto=upto) is None

    assert sale.contents() == before


def test_a_bell_rung_beyond_the_end_of_the_line_reserves_up_to_the_end(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.admit("olga")

    assert sale.reserve_places("c1", upto=4821).places == [(1, "olga")]
    assert sale.snapshot().pointer == 1


def test_an_empty_line_has_nothing_to_reserve(load_sale: LoadSale) -> None:
    sale = load_sale()
    before = sale.contents()

    assert sale.reserve("c1") is None

    assert sale.contents() == before


def test_a_full_chunk_is_one_reservation(load_sale: LoadSale) -> None:
    sale = load_sale(stock=3000, line_limit=5000)
    sale.admit(*(f"b{number}" for number in range(1, 1001)))
    sale.admit(*(f"b{number}" for number in range(1001, 2001)))
    sale.admit("b2001")

    claim = sale.reserve_places("c1", chunk=settings.SETTLE_CHUNK_MAX)

    assert claim.places == [(number, f"b{number}") for number in range(1, 2001)]
    assert sale.snapshot().stock == 1000


def test_holes_and_decided_buyers_are_passed_without_a_unit(load_sale: LoadSale) -> None:
    sale = load_sale(stock=4, epoch=1)
    sale.restore([(2, "amir", order("ORDER-2")), (4, "carl", CANCELLED)])
    sale.rejoin("eve", 7)
    assert sale.buyers_in_line() == ["", "amir", "", "carl", "", "", "eve"]

    claim = sale.reserve_places("c1")

    assert claim.places == [(7, "eve")]
    seen = sale.snapshot()
    assert (seen.pointer, seen.stock, seen.reserved_units) == (7, 3, 1)


def test_holes_longer_than_a_chunk_are_passed_in_one_go(load_sale: LoadSale) -> None:
    sale = load_sale(stock=4)
    sale.rejoin("eve", 26)

    assert sale.reserve_places("c1", chunk=5).places == [(26, "eve")]


def test_a_line_of_holes_only_moves_the_pointer_and_reserves_nothing(load_sale: LoadSale) -> None:
    sale = load_sale(stock=4)
    sale.rejoin("eve", 9)
    sale.reserve_places("c1")

    sale.rejoin("finn", 15)
    assert sale.reserve("c2", upto=14) is None

    seen = sale.snapshot()
    assert (seen.pointer, seen.stock, seen.reserved_units) == (14, 3, 1)


def test_the_last_unit_goes_to_the_next_person_not_to_a_hole(load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.rejoin("eve", 3)
    sale.admit("finn")

    assert sale.reserve_places("c1").places == [(3, "eve")]

    seen = sale.snapshot()
    assert (seen.pointer, seen.stock, seen.waiting) == (3, 0, 1)


def test_a_lively_worker_keeps_its_reservation(load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga")
    sale.reserve_places("lively")
    before = sale.contents()

    assert sale.reserve("thief", lease_seconds=60) is None

    assert sale.contents() == before


def test_the_reservation_of_a_silent_worker_is_taken_over(load_sale: LoadSale) -> None:
    sale = load_sale(stock=2)
    sale.admit("olga", "amir", "bea")
    silent = sale.reserve_places("silent")
    assert sale.snapshot(lease_seconds=AT_ONCE).expired_reservations == 1

    heir = sale.reserve_places("heir", lease_seconds=AT_ONCE)

    assert heir == commands.Reservation("heir", 7, 1, silent.places)
    seen = sale.snapshot()
    assert (seen.pointer, seen.stock, seen.reserved_units) == (2, 0, 2)
    assert list(sale.contents()["pending"]) == ["heir"]


def test_a_reservation_goes_stale_once_its_lease_is_over_and_not_before(load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga")
    sale.reserve_places("silent")
    claimed_ms = int(sale.contents()["pending"]["silent"].split(" ")[3])

    while (heir := sale.reserve("heir", lease_seconds=0.05)) is None:
        assert list(sale.contents()["pending"]) == ["silent"]

    assert heir.places == [(1, "olga")]
    assert sale.redis_now_ms() - claimed_ms > 50


def test_a_stale_reservation_comes_before_fresh_places(load_sale: LoadSale) -> None:
    sale = load_sale(stock=9)
    sale.admit("olga", "amir", "bea")
    sale.reserve_places("silent", upto=1)

    assert sale.reserve_places("heir", lease_seconds=AT_ONCE).places == [(1, "olga")]
    assert sale.reserve_places("next").places == [(2, "amir"), (3, "bea")]


def test_a_stale_reservation_is_taken_over_even_in_a_sale_that_has_ended_or_recovers(load_sale: LoadSale) -> None:
    sale = load_sale(stock=9)
    sale.admit("olga", "amir")
    sale.reserve_places("silent", upto=1)
    for field in ("ended_ms", "rejoin_until_ms"):
        sale.line.client.hset(sale.keys.meta, field, sale.redis_now_ms() + 60_000)

        assert sale.reserve_places(f"heir {field}", lease_seconds=AT_ONCE).places == [(1, "olga")]
        assert sale.reserve("next") is None

    assert sale.snapshot().pointer == 1


def test_a_stale_reservation_whose_orders_were_all_confirmed_gives_its_units_back(load_sale: LoadSale) -> None:
    sale = load_sale(stock=2)
    sale.admit("olga", "amir", "bea")
    silent = sale.reserve_places("silent")
    sale.reserve_places("heir", lease_seconds=AT_ONCE)
    assert sale.confirm_all(silent) == -2  # counted twice until the second worker confirms; no other buyer is let in

    assert sale.reserve("third", lease_seconds=AT_ONCE) is None

    seen = sale.snapshot()
    assert (seen.stock, seen.reserved_units, seen.pointer) == (0, 0, 2)
    assert "pending" not in sale.contents()


def test_units_given_back_by_a_stale_reservation_serve_the_next_places_at_once(load_sale: LoadSale) -> None:
    sale = load_sale(stock=2)
    sale.admit("olga", "amir", "bea")
    silent = sale.reserve_places("silent", upto=1)
    sale.reserve_places("heir", lease_seconds=AT_ONCE)
    sale.confirm_all(silent)
    assert sale.snapshot().stock == 0

    claim = sale.reserve_places("third", lease_seconds=AT_ONCE)

    assert claim.places == [(2, "amir")]
    assert (sale.snapshot().stock, sale.snapshot().reserved_units) == (0, 1)


def test_an_heir_gets_only_those_who_are_still_undecided(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    sale.admit("olga", "amir", "bea")
    silent = sale.reserve_places("silent")
    sale.reserve_places("heir", lease_seconds=AT_ONCE)
    sale.confirm(silent, {"amir": order("ORDER-2")})

    third = sale.reserve_places("third", lease_seconds=AT_ONCE)

    assert third.places == [(1, "olga"), (3, "bea")]
    assert sale.snapshot().reserved_units == 3  # one unit too many, until the reservation is closed
    assert sale.confirm_all(third) == 2
    assert sale.snapshot().reserved_units == 0


def test_a_sale_below_zero_reserves_nothing(load_sale: LoadSale) -> None:
    sale = load_sale(stock=3, stock_left=-1)
    sale.admit("olga")

    assert sale.reserve("c1") is None

    assert (sale.snapshot().stock, sale.snapshot().pointer) == (-1, 0)


@pytest.mark.parametrize("halted", [{"ended_ms": 1_700_000_000_000}, {"rejoin_seconds": 60}])
def test_an_ended_or_recovering_sale_settles_nobody_new(load_sale: LoadSale, halted: dict[str, Any]) -> None:
    sale = load_sale()
    sale.admit("olga")
    sale.line.invalidate(7)
    sale.rebuild(sale.config(), epoch=2, **halted)
    before = sale.contents()

    assert sale.reserve("c1") is None

    assert sale.contents() == before
    assert sale.snapshot().waiting == 1


def test_a_recovering_sale_settles_once_its_crowd_had_time_to_come_back(load_sale: LoadSale) -> None:
    sale = load_sale(rejoin_seconds=0.06)
    sale.rejoin("olga", 2)
    until_ms = sale.snapshot().rejoin_until_ms

    while (claim := sale.reserve("c1")) is None:
        pass

    assert claim.places == [(2, "olga")]
    assert sale.redis_now_ms() >= until_ms


def test_people_in_line_are_settled_while_the_sale_is_paused_or_closed(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.admit("olga", "amir")

    sale.configure(sale.config(status="paused"))
    assert sale.reserve_places("c1", upto=1).places == [(1, "olga")]
    sale.configure(sale.config(status="closed", closes_in_ms=-1))
    assert sale.reserve_places("c2").places == [(2, "amir")]


def test_a_sale_that_is_not_loaded_has_nothing_to_reserve(unloaded_sale: SaleInLine) -> None:
    with pytest.raises(SaleNotLoadedError):
        unloaded_sale.reserve("c1")

    assert unloaded_sale.contents() == {}
