"""Rebuild and restore: recreate a line from the ledger, in a new epoch."""

import pytest

from seckill.line import commands
from seckill.line.commands import RESTORE_CHUNK, RejectReason
from tests.line.conftest import LoadSale
from tests.line.sale_in_line import CANCELLED, EXPIRED, HOUR_MS, Orders, SaleInLine, order


def test_a_rebuilt_sale_is_loaded_with_everything_the_shop_decided(unloaded_sale: SaleInLine) -> None:
    sale = unloaded_sale
    config = sale.config(stock=37, opens_in_ms=-5000, closes_in_ms=90_000, status="paused", line_limit=555)

    assert sale.rebuild(config, epoch=1, stock_left=31, pointer=6) == 1

    seen = sale.snapshot()
    assert (seen.epoch, seen.stock_total, seen.stock, seen.pointer, seen.places_issued) == (1, 37, 31, 6, 0)
    assert (seen.opens_ms, seen.closes_ms) == (config.opens_ms, config.closes_ms)
    assert (seen.status, seen.line_limit) == ("paused", 555)
    assert (seen.ended_ms, seen.sold_out_ms, seen.rejoin_until_ms) == (0, 0, 0)
    assert (seen.reserved_units, seen.expired_reservations) == (0, 0)


@pytest.mark.parametrize("epoch", [1, 5])
def test_an_epoch_that_is_not_newer_changes_nothing(load_sale: LoadSale, epoch: int) -> None:
    sale = load_sale(stock=3, epoch=5)
    sale.admit("olga")
    sale.reserve_places("c1")
    before = sale.contents()

    assert sale.rebuild(sale.config(stock=99), epoch=epoch, pointer=44) == 5

    assert sale.contents() == before


def test_a_newer_epoch_drops_open_reservations_and_keeps_the_crowd(load_sale: LoadSale) -> None:
    sale = load_sale(stock=3)
    sale.admit("olga", "amir")
    sale.reserve_places("c1")

    assert sale.rebuild(sale.config(stock=3), epoch=2) == 2

    seen = sale.snapshot()
    assert (seen.epoch, seen.reserved_units, seen.stock, seen.pointer, seen.places_issued) == (2, 0, 3, 0, 2)
    assert sale.reserve_places("c2").places == [(1, "olga"), (2, "amir")]


def test_rebuilding_twice_gives_the_same_line(load_sale: LoadSale) -> None:
    sale = load_sale()
    config = sale.config(stock=8)
    assert sale.rebuild(config, epoch=2, stock_left=6, pointer=2, rejoin_seconds=60) == 2
    before = sale.contents()

    assert sale.rebuild(config, epoch=2, stock_left=6, pointer=2, rejoin_seconds=60) == 2

    assert sale.contents() == before


def test_a_sale_rebuilt_without_units_is_sold_out_from_now_on(unloaded_sale: SaleInLine) -> None:
    before_ms = unloaded_sale.redis_now_ms()

    unloaded_sale.rebuild(unloaded_sale.config(stock=4), stock_left=0, pointer=4)

    seen = unloaded_sale.snapshot()
    assert before_ms <= seen.sold_out_ms <= seen.now_ms
    assert seen.remaining == 0


def test_an_ended_sale_stays_ended(unloaded_sale: SaleInLine) -> None:
    unloaded_sale.rebuild(unloaded_sale.config(stock=4), stock_left=2, ended_ms=1_700_000_000_123)

    assert unloaded_sale.snapshot().ended_ms == 1_700_000_000_123
    assert unloaded_sale.admit("olga") == [RejectReason.SOLD_OUT]


def test_the_time_to_rejoin_counts_from_the_rebuild(unloaded_sale: SaleInLine) -> None:
    before_ms = unloaded_sale.redis_now_ms()

    unloaded_sale.rebuild(unloaded_sale.config(), rejoin_seconds=6)

    assert before_ms + 6000 <= unloaded_sale.snapshot().rejoin_until_ms <= unloaded_sale.redis_now_ms() + 6000


def test_orders_of_the_ledger_are_restored_with_holes_between_them(unloaded_sale: SaleInLine) -> None:
    sale = unloaded_sale

    assert sale.restore([(2, "amir", order("0000-0000-0002")), (5, "eve", EXPIRED)]) == 2

    assert sale.buyers_in_line() == ["", "amir", "", "", "eve"]
    assert sale.places() == {"amir": 2, "eve": 5}
    assert sale.outcome("amir") == order("0000-0000-0002")
    assert sale.outcome("eve") == EXPIRED


def test_a_restored_line_is_not_loaded_until_it_is_rebuilt(unloaded_sale: SaleInLine) -> None:
    unloaded_sale.restore([(1, "olga", order("1"))])

    with pytest.raises(commands.SaleNotLoadedError):
        unloaded_sale.admit("olga")

    unloaded_sale.rebuild(unloaded_sale.config(stock=2), stock_left=1, pointer=1)
    assert unloaded_sale.admit("olga", "amir") == [1, 2]
    assert unloaded_sale.reserve_places("c1").places == [(2, "amir")]


def test_restoring_twice_gives_the_same_line(unloaded_sale: SaleInLine) -> None:
    orders: Orders = [(1, "olga", order("1")), (3, "bea", CANCELLED)]
    unloaded_sale.restore(orders)
    before = unloaded_sale.contents()

    assert unloaded_sale.restore(orders) == 2

    assert unloaded_sale.contents() == before


def test_restored_orders_follow_a_line_that_survived(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.admit("olga", "amir", "bea")
    sale.line.invalidate(7)

    assert sale.restore([(1, "olga", order("1")), (2, "amir", order("2"))]) == 2

    assert sale.buyers_in_line() == ["olga", "amir", "bea"]
    assert sale.places() == {"olga": 1, "amir": 2, "bea": 3}


def test_a_buyer_who_stands_on_a_place_the_ledger_gave_to_another_is_displaced(load_sale: LoadSale) -> None:
    sale = load_sale(stock=9)
    sale.admit("olga", "impostor", "bea")
    sale.line.invalidate(7)
    sale.restore([(2, "amir", order("2"))])
    sale.rebuild(sale.config(stock=9), epoch=2, stock_left=8)

    assert sale.buyers_in_line() == ["olga", "amir", "bea"]
    assert sale.places() == {"olga": 1, "amir": 2, "bea": 3}
    assert sale.rejoin("impostor", 2) == (2, 4)
    assert sale.reserve_places("c1").places == [(1, "olga"), (3, "bea"), (4, "impostor")]


def test_a_buyer_who_has_moved_keeps_the_new_place_when_the_old_one_is_given_away(load_sale: LoadSale) -> None:
    """Bea waits at place 3, her order was written at place 1; then the ledger gives place 3 to another buyer."""
    sale = load_sale(stock=9)
    sale.admit("olga", "amir", "bea")
    sale.line.invalidate(7)

    sale.restore([(1, "bea", order("1")), (3, "carl", order("3"))])

    assert sale.buyers_in_line() == ["bea", "amir", "carl"]
    assert sale.places() == {"bea": 1, "amir": 2, "carl": 3}


def test_a_full_chunk_is_restored_in_one_call(unloaded_sale: SaleInLine) -> None:
    orders = [(place, f"b{place}", order(f"{place}")) for place in range(1, RESTORE_CHUNK + 1)]

    assert unloaded_sale.restore(orders) == 300

    assert unloaded_sale.buyers_in_line() == [f"b{place}" for place in range(1, 301)]
    assert unloaded_sale.line.client.hlen(unloaded_sale.keys.outcomes) == 300


def test_a_sale_that_is_not_loaded_keeps_its_crowd_and_nothing_else(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.admit("olga", "amir")
    sale.confirm_all(sale.reserve_places("c1", upto=1))
    sale.reserve_places("c2")

    assert sale.line.invalidate(7) is False

    assert sale.contents() == {"line": ["olga", "amir"], "places": {"olga": "1", "amir": "2"}}


def test_a_lost_line_is_lost_until_it_is_rebuilt(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.admit("olga")
    sale.line.client.flushdb()

    assert sale.line.invalidate(7) is True
    sale.line.run(commands.restore(7, [(1, "olga", EXPIRED)]))  # and here the rebuild is interrupted
    assert sale.line.invalidate(7) is True

    sale.rebuild(sale.config(), epoch=2)
    assert sale.line.invalidate(7) is False


def test_a_sale_kept_for_a_while_is_dropped_as_a_whole(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.admit("olga", "amir")
    sale.confirm_all(sale.reserve_places("c1", upto=1))
    sale.reserve_places("c2")
    assert len(sale.contents()) == 7

    sale.line.expire_after(7, 0)

    assert sale.contents() == {}


def test_a_sale_kept_for_a_week_is_there_today(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.admit("olga")

    sale.line.expire_after(7, 604_800)

    assert sale.buyers_in_line() == ["olga"]
    times_ms = {sale.line.client.pttl(key) for key in (sale.keys.meta, sale.keys.line, sale.keys.places)}
    assert all(604_800_000 - HOUR_MS < time_ms <= 604_800_000 for time_ms in times_ms)
