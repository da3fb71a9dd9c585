"""The slow downstream call: as often as there are winners, so many at once, before the order is written."""

from threading import Barrier

import pytest
from pytest_django import Settings

from orders import downstream
from orders.models import Order
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import entries, join, settle_all

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """(buyer, orders in the ledger at that moment) of every call made."""
    settings.ORDER_WORK_SECONDS = 0.001
    settings.ORDER_WORK_AT_ONCE = settings.SETTLE_CHUNK = 3
    made: list[tuple[str, int]] = []
    written: list[int] = []
    whole = downstream.call_for

    def call_for(buyers: list[str]) -> None:
        written.append(Order.objects.count())
        whole(buyers)

    monkeypatch.setattr("orders.settlement.call_for", call_for)
    monkeypatch.setattr(downstream, "_call", lambda buyer: made.append((buyer, written[-1])))
    return made


def test_each_winner_is_called_for_once_before_the_order_is_written(
    make_sale: MakeSale, line: Line, calls: list[tuple[str, int]]
) -> None:
    sale = make_sale(stock=4)
    join(line, sale, "ann", "ben", "cleo", "dan", "eve")

    assert settle_all(line, sale) == 4

    assert sorted(calls) == [("ann", 0), ("ben", 0), ("cleo", 0), ("dan", 3)]
    assert [buyer for _, buyer, _ in entries(sale)] == ["ann", "ben", "cleo", "dan"]


def test_calls_are_made_side_by_side(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ORDER_WORK_SECONDS = 0.001
    settings.ORDER_WORK_AT_ONCE = 4
    all_four = Barrier(4, timeout=10)  # one after the other they would wait for each other in vain
    monkeypatch.setattr(downstream, "_call", lambda _: all_four.wait())

    downstream.call_for(["ann", "ben", "cleo", "dan"])


def test_a_shop_that_needs_no_such_call_makes_none(settings: Settings, calls: list[tuple[str, int]]) -> None:
    settings.ORDER_WORK_SECONDS = 0

    downstream.call_for(["ann"])

    assert calls == []
