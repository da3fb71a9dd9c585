"""Snapshot: the state of a line at one moment."""

import pytest

from seckill.line import commands
from seckill.line.snapshot import Snapshot
from seckill.line.state import State
from tests.line.conftest import LoadSale
from tests.line.sale_in_line import AT_ONCE, HOUR_MS, SaleInLine


def test_a_snapshot_shows_the_whole_line(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5, epoch=3, line_limit=50)
    sale.admit("olga", "amir", "bea", "carl", "dana", "eve")
    sale.confirm_all(sale.reserve_places("c1", upto=1))
    sale.reserve_places("c2", upto=3)
    sale.reserve_places("c3", upto=4)
    before_ms = sale.redis_now_ms()

    seen = sale.snapshot()

    assert before_ms <= seen.now_ms <= sale.redis_now_ms()
    assert seen == Snapshot(
        epoch=3,
        now_ms=seen.now_ms,
        stock_total=5,
        stock=1,
        opens_ms=seen.opens_ms,
        closes_ms=seen.opens_ms + 2 * HOUR_MS,
        status="open",
        line_limit=50,
        ended_ms=0,
        sold_out_ms=0,
        rejoin_until_ms=0,
        places_issued=6,
        pointer=4,
        reserved_units=3,
        expired_reservations=0,
    )
    assert (seen.waiting, seen.remaining, seen.state()) == (2, 1, State.OPEN)


def test_reservations_are_stale_by_the_lease_of_whoever_asks(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    sale.admit("olga", "amir", "bea")
    sale.reserve_places("c1", upto=1)
    sale.reserve_places("c2", upto=2)

    assert sale.snapshot(lease_seconds=60).expired_reservations == 0
    assert sale.snapshot(lease_seconds=AT_ONCE).expired_reservations == 2
    assert sale.snapshot().reserved_units == 2


def test_looking_changes_nothing(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.admit("olga", "amir")
    sale.reserve_places("c1", upto=1)
    before = sale.contents()

    sale.snapshot(lease_seconds=AT_ONCE)

    assert sale.contents() == before


def test_a_sale_that_is_not_loaded_has_no_snapshot(unloaded_sale: SaleInLine) -> None:
    assert unloaded_sale.line.run(commands.snapshot(404, lease_seconds=5)) is None


@pytest.mark.parametrize("lost", ["meta", "stock"])
def test_a_sale_that_redis_remembers_by_half_has_no_snapshot(load_sale: LoadSale, lost: str) -> None:
    sale = load_sale()
    sale.line.client.delete(getattr(sale.keys, lost))

    assert sale.line.run(commands.snapshot(7, lease_seconds=5)) is None


def test_a_line_whose_pointer_is_lost_begins_at_the_front(load_sale: LoadSale) -> None:
    sale = load_sale(pointer=0)
    sale.admit("olga")
    sale.line.client.delete(sale.keys.pointer)

    assert (sale.snapshot().pointer, sale.snapshot().waiting) == (0, 1)


def test_the_state_can_be_asked_for_another_moment(load_sale: LoadSale) -> None:
    seen = load_sale(opens_in_ms=HOUR_MS // 4).snapshot()

    assert seen.state() is State.SCHEDULED
    assert seen.state(seen.opens_ms - 1) is State.SCHEDULED
    assert seen.state(seen.opens_ms) is State.OPEN
    assert seen.state(seen.closes_ms - 1) is State.OPEN
    assert seen.state(seen.closes_ms) is State.CLOSED


def test_units_counted_twice_show_as_none_left(load_sale: LoadSale) -> None:
    seen = load_sale(stock=4, stock_left=-2).snapshot()

    assert (seen.stock, seen.remaining, seen.state()) == (-2, 0, State.SOLD_OUT)


def test_the_length_of_a_line_counts_its_places(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.admit("olga", "amir")
    sale.rejoin("eve", 5)

    assert sale.line.length(7) == 5
    assert sale.line.length(8) == 0
