"""The slow downstream call: once per winner, with limited concurrency, before the order is written."""

from collections.abc import Iterator
from contextlib import closing
from threading import Barrier

import pytest
from django.db import connections
from pytest_django import Settings

from devtools.waiting import WAIT_SECONDS_MAX
from orders import downstream
from orders.downstream import ConcurrencyLimiter
from orders.models import Order
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import entries, join, settle_all

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _three_at_once(settings: Settings) -> Iterator[None]:
    settings.DOWNSTREAM_DELAY_SECONDS = 0.001
    settings.DOWNSTREAM_MAX_CONCURRENCY = 3
    downstream._calls.cache_clear()
    yield
    downstream._calls.cache_clear()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The buyers for whom the call was made."""
    made: list[str] = []
    monkeypatch.setattr(downstream, "_call", made.append)
    return made


def free_slots() -> int:
    with closing(ConcurrencyLimiter(500)) as slots:
        return slots.count


def test_each_winner_is_called_for_once_before_the_order_is_written(
    make_sale: MakeSale, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = make_sale(stock=4)
    join(line, sale, "ann", "ben", "cleo", "dan", "eve")
    made: list[tuple[list[str], int]] = []
    monkeypatch.setattr(
        ConcurrencyLimiter, "call_downstream", lambda _, buyers: made.append((buyers, Order.objects.count()))
    )

    assert settle_all(line, sale) == 4

    assert made == [(["ann", "ben", "cleo"], 0), (["dan"], 3)]
    assert [buyer for _, buyer, _ in entries(sale)] == ["ann", "ben", "cleo", "dan"]
    assert free_slots() == 3


def test_calls_are_made_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    all_three = Barrier(3, timeout=WAIT_SECONDS_MAX)  # sequential calls would wait for each other in vain
    monkeypatch.setattr(downstream, "_call", lambda _: all_three.wait())

    with closing(ConcurrencyLimiter(500)) as slots:
        slots.call_downstream(["ann", "ben", "cleo"])


def test_who_needs_fewer_slots_than_there_are_leaves_the_others_the_rest(calls: list[str]) -> None:
    with closing(ConcurrencyLimiter(500)) as slots:
        assert slots.count == 3
        slots.call_downstream(["ann"])
        assert free_slots() == 2

    assert calls == ["ann"]
    assert free_slots() == 3


def test_nobody_takes_more_than_wanted() -> None:
    with closing(ConcurrencyLimiter(1)) as one, closing(ConcurrencyLimiter(500)) as rest:
        assert (one.count, rest.count) == (1, 2)


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_during_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    connections["default"].ensure_connection()
    held: list[object] = []
    this = connections["default"]  # the connection of this thread; the call runs in another one
    monkeypatch.setattr(downstream, "_call", lambda _: held.append(this.connection))

    with closing(ConcurrencyLimiter(500)) as slots:
        slots.call_downstream(["ann"])

    assert held == [None]


def test_slots_come_back_when_a_call_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(buyer: str) -> None:
        raise OSError(buyer)

    monkeypatch.setattr(downstream, "_call", fail)

    with pytest.raises(OSError, match="ann"), closing(ConcurrencyLimiter(500)) as slots:
        slots.call_downstream(["ann", "ben"])

    assert free_slots() == 3


def test_a_shop_that_needs_no_such_call_waits_for_none(settings: Settings, calls: list[str]) -> None:
    settings.DOWNSTREAM_DELAY_SECONDS = 0

    with closing(ConcurrencyLimiter(500)) as first, closing(ConcurrencyLimiter(500)) as second:
        assert (first.count, second.count) == (500, 500)
        first.call_downstream(["ann"])

    assert calls == []
