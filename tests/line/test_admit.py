"""Admit: buyers join the line."""

from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from seckill.line.commands import ADMIT_BATCH_MAX, RejectReason, SaleNotLoadedError
from tests.line.conftest import LoadSale
from tests.line.sale_in_line import HOUR_MS, SaleInLine


def test_buyers_get_places_in_the_order_they_came(load_sale: LoadSale) -> None:
    sale = load_sale()

    assert sale.admit("olga", "amir", "bea") == [1, 2, 3]
    assert sale.admit("zoe") == [4]

    assert sale.buyers_in_line() == ["olga", "amir", "bea", "zoe"]
    assert sale.places() == {"olga": 1, "amir": 2, "bea": 3, "zoe": 4}


def test_an_admission_returns_where_the_line_stands(load_sale: LoadSale) -> None:
    sale = load_sale(stock=17, epoch=3, stock_left=11, pointer=0)
    sale.admit("olga", "amir")
    sale.reserve_places("c1", upto=1)

    admission = sale.admission("bea")

    assert (admission.epoch, admission.stock, admission.pointer, admission.places_issued) == (3, 10, 1, 3)
    assert admission.places == [3]


def test_admission_twice_gives_the_same_places(load_sale: LoadSale) -> None:
    sale = load_sale()
    assert sale.admit("olga", "amir") == [1, 2]
    before = sale.contents()

    assert sale.admit("amir", "olga") == [2, 1]

    assert sale.contents() == before


def test_a_buyer_who_clicks_three_times_in_one_batch_joins_once(load_sale: LoadSale) -> None:
    sale = load_sale()

    assert sale.admit("olga", "amir", "olga", "bea", "olga") == [1, 2, 1, 3, 1]

    assert sale.buyers_in_line() == ["olga", "amir", "bea"]


def test_names_that_look_like_numbers_or_differ_in_case_are_different_buyers(load_sale: LoadSale) -> None:
    sale = load_sale()

    assert sale.admit("1", "01", "olga", "Olga", "1") == [1, 2, 3, 4, 1]


def test_a_batch_may_be_as_large_as_the_gate_makes_it(load_sale: LoadSale) -> None:
    sale = load_sale(line_limit=5000)

    assert sale.admit(*(f"b{number}" for number in range(ADMIT_BATCH_MAX))) == list(range(1, 1001))


def test_a_line_that_fills_up_within_a_batch_refuses_the_rest_of_the_batch(load_sale: LoadSale) -> None:
    sale = load_sale(line_limit=4)
    assert sale.admit("olga", "amir") == [1, 2]

    places = sale.admit("bea", "olga", "carl", "dana", "bea", "amir", "dana")

    assert places == [3, 1, 4, RejectReason.SOLD_OUT, 3, 2, RejectReason.SOLD_OUT]
    assert sale.buyers_in_line() == ["olga", "amir", "bea", "carl"]
    assert "dana" not in sale.places()


REFUSING: dict[RejectReason, dict[str, Any]] = {
    RejectReason.CLOSED: {"status": "closed"},
    RejectReason.SOLD_OUT: {"ended_ms": 1_700_000_000_000},
    RejectReason.PAUSED: {"status": "paused"},
    RejectReason.NOT_OPEN: {"opens_in_ms": HOUR_MS // 2},
    RejectReason.RECOVERING: {"rejoin_seconds": 60},
}  # ordered by precedence


@pytest.mark.parametrize("refusal", REFUSING)
def test_a_sale_that_admits_nobody_says_why_and_keeps_nobody(load_sale: LoadSale, refusal: RejectReason) -> None:
    sale = load_sale(**REFUSING[refusal])
    before = sale.contents()

    assert sale.admit("olga", "amir") == [refusal, refusal]

    assert sale.contents() == before
    assert sale.buyers_in_line() == []


@pytest.mark.parametrize(("first", "second"), list(combinations(REFUSING, 2)))
def test_of_two_reject_reasons_the_one_that_lasts_longer_is_returned(
    load_sale: LoadSale, first: RejectReason, second: RejectReason
) -> None:
    sale = load_sale(**(REFUSING[second] | REFUSING[first]))

    assert sale.admit("olga") == [first]


def test_a_sale_is_closed_once_its_window_is_over_whatever_the_shop_wants(load_sale: LoadSale) -> None:
    sale = load_sale(closes_in_ms=0)

    assert sale.admit("olga") == [RejectReason.CLOSED]
    assert sale.buyers_in_line() == []


def test_whoever_has_a_place_keeps_it_when_the_sale_refuses_others(load_sale: LoadSale) -> None:
    sale = load_sale()
    sale.admit("olga", "amir")

    for config in (
        sale.config(status="paused"),
        sale.config(status="closed"),
        sale.config(closes_in_ms=-1),
        sale.config(opens_in_ms=HOUR_MS // 2),
        sale.config(line_limit=1),
    ):
        sale.configure(config)
        places = sale.admit("amir", "late", "olga")
        assert (places[0], places[2]) == (2, 1)
        assert isinstance(places[1], RejectReason)

    assert sale.buyers_in_line() == ["olga", "amir"]


def test_the_window_opens_by_the_clock_of_redis(load_sale: LoadSale) -> None:
    sale = load_sale(opens_in_ms=HOUR_MS)
    assert sale.admit("early") == [RejectReason.NOT_OPEN]
    sale.configure(sale.config(opens_in_ms=60))
    opens_ms = sale.snapshot().opens_ms
    refused = 0

    while True:
        admission = sale.admission(f"visitor{refused}")
        if admission.places == [1]:
            break
        assert admission.places == [RejectReason.NOT_OPEN]
        assert admission.now_ms < opens_ms
        refused += 1

    assert admission.now_ms >= opens_ms
    assert sale.buyers_in_line() == [f"visitor{refused}"]


def test_a_gate_whose_clock_is_a_day_ahead_lets_nobody_in_early(load_sale: LoadSale) -> None:
    sale = load_sale(opens_in_ms=HOUR_MS // 2)

    with time_machine.travel(timezone.now() + timedelta(days=1)):
        assert sale.admit("olga") == [RejectReason.NOT_OPEN]

    assert sale.buyers_in_line() == []


def test_a_recovering_sale_admits_as_soon_as_its_crowd_had_time_to_come_back(load_sale: LoadSale) -> None:
    sale = load_sale(rejoin_seconds=3600)
    assert sale.admit("early") == [RejectReason.RECOVERING]
    until_ms = sale.redis_now_ms() + 60
    sale.line.client.hset(sale.keys.meta, "rejoin_until_ms", until_ms)
    refused = 0

    while True:
        admission = sale.admission(f"visitor{refused}")
        if admission.places == [1]:
            break
        assert admission.places == [RejectReason.RECOVERING]
        assert admission.now_ms < until_ms
        refused += 1

    assert admission.now_ms >= until_ms


def test_a_sale_that_is_not_loaded_admits_nobody(unloaded_sale: SaleInLine) -> None:
    with pytest.raises(SaleNotLoadedError, match="sale 404 is not loaded in Redis"):
        unloaded_sale.admit("olga")

    assert unloaded_sale.contents() == {}


@pytest.mark.parametrize("lost", ["meta", "stock"])
def test_a_sale_that_redis_remembers_by_half_is_not_loaded(load_sale: LoadSale, lost: str) -> None:
    sale = load_sale()
    sale.admit("olga")
    sale.line.client.delete(getattr(sale.keys, lost))

    with pytest.raises(SaleNotLoadedError):
        sale.admit("amir")

    assert sale.buyers_in_line() == ["olga"]


def test_buyers_join_behind_a_sold_out_line_and_wait(load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga")
    sale.confirm_all(sale.reserve_places("c1"))

    admission = sale.admission("amir", "bea")

    assert admission.places == [2, 3]
    assert (admission.stock, admission.pointer, admission.places_issued) == (0, 1, 3)


def test_a_server_that_lost_the_scripts_gets_them_again(load_sale: LoadSale) -> None:
    sale = load_sale()
    assert sale.admit("olga") == [1]
    sale.line.client.script_flush()

    assert sale.admit("amir", "olga") == [2, 1]
