"""Reconciliation: where line and ledger differ the ledger wins, and buyers keep their places."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from orders.audit import run_audit
from orders.expiry import release_units
from orders.models import Audit, Order
from orders.outcomes import outcome_of
from orders.payment import cancel, pay
from orders.reconciliation import rebuild_line, redis_config, sync_sale_to_redis
from orders.settlement import settle
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.commands import RejectReason
from seckill.line.keys import sale_keys
from seckill.line.line import Line
from seckill.line.outcome import Confirmed, Released
from seckill.timestamps import to_epoch_ms
from tests.conftest import MakeSale
from tests.orders.crowd import (
    add_units_behind_its_back,
    entries,
    in_line,
    join,
    reserve_and_die,
    sell,
    settle_all,
    snapshot_of,
    sold,
)

pytestmark = pytest.mark.django_db


def agrees(line: Line, sale: Sale) -> bool:
    """Return whether an audit finds line and ledger equal."""
    return run_audit(line, sale.pk, by=Audit.By.COMMAND).result == Audit.Result.AGREES


def test_a_new_sale_is_loaded_as_its_row_says(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=57, opens_in=600, closes_in=1200, status="paused", line_limit=815, publish=False)

    sync_sale_to_redis(line, sale)

    seen = snapshot_of(line, sale)
    assert (seen.epoch, seen.stock_total, seen.stock, seen.places_issued, seen.pointer) == (1, 57, 57, 0, 0)
    assert (seen.opens_ms, seen.closes_ms) == (to_epoch_ms(sale.opens_at), to_epoch_ms(sale.closes_at))
    assert (seen.status, seen.line_limit, seen.ended_ms, seen.rejoin_until_ms) == ("paused", 815, 0, 0)
    assert Sale.objects.get(pk=sale.pk).epoch == 1


def test_publishing_a_loaded_sale_takes_over_what_changed_and_keeps_the_line(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    sell(line, sale, "ann", "ben", "cleo")
    sale.refresh_from_db()
    sale.stock, sale.line_limit, sale.closes_at = 4, 3, sale.closes_at + timedelta(hours=2)
    sale.save()

    sync_sale_to_redis(line, sale)
    sync_sale_to_redis(line, sale)  # idempotent

    seen = snapshot_of(line, sale)
    assert (seen.epoch, seen.stock_total, seen.stock, seen.waiting) == (1, 4, 2, 1)
    assert (seen.line_limit, seen.closes_ms) == (3, to_epoch_ms(sale.closes_at))
    assert join(line, sale, "cleo", "dan") == [3, RejectReason.SOLD_OUT]
    assert settle_all(line, sale) == 1
    assert sold(sale) == 3


def test_a_wiped_redis_gets_back_every_decided_place_from_the_ledger(
    make_sale: MakeSale, line: Line, settings: Settings
) -> None:
    settings.REJOIN_SECONDS = 0
    sale = make_sale(stock=3)
    orders = sell(line, sale, "ann", "ben", "cleo", "dan", "eve")
    pay(orders["ben"])
    keys = sale_keys(sale.pk)
    before = snapshot_of(line, sale)
    outcomes = line.client.hgetall(keys.outcomes)
    line.client.flushall()

    rebuild_line(line, sale.pk, broken_epoch=None)

    after = snapshot_of(line, sale)
    assert (after.epoch, after.stock, after.pointer, after.places_issued) == (2, 0, 3, 3)
    assert (before.epoch, before.stock, before.pointer, before.places_issued) == (1, 0, 3, 5)
    assert line.client.hgetall(keys.outcomes) == outcomes
    assert sorted(outcomes) == ["ann", "ben", "cleo"]
    assert line.client.hgetall(keys.places) == {"ann": "1", "ben": "2", "cleo": "3"}
    assert in_line(line, sale) == ["ann", "ben", "cleo"]
    assert agrees(line, sale)
    # The crowd is the backup: eve's ticket comes first, and yet dan stands before her.
    assert line.run(commands.rejoin(sale.pk, "eve", 5)) == (2, 5)
    assert line.run(commands.rejoin(sale.pk, "dan", 4)) == (2, 4)
    assert in_line(line, sale) == ["ann", "ben", "cleo", "dan", "eve"]


def test_orders_given_back_are_restored_as_given_back(make_sale: MakeSale, line: Line, settings: Settings) -> None:
    settings.REJOIN_SECONDS = 0
    sale = make_sale(stock=3)
    orders = sell(line, sale, "ann", "ben", "cleo")
    cancel(orders["ann"])
    Order.objects.filter(buyer="ben").update(status=Order.Status.EXPIRED)
    Sale.objects.filter(pk=sale.pk).update(sold=1)
    line.client.flushall()

    rebuild_line(line, sale.pk, broken_epoch=None)

    assert (snapshot_of(line, sale).stock, snapshot_of(line, sale).pointer) == (2, 3)
    assert [line.outcome(sale.pk, buyer) for buyer in ("ann", "ben")] == [Released("cancelled"), Released("expired")]
    assert isinstance(line.outcome(sale.pk, "cleo"), Confirmed)
    assert join(line, sale, "ann", "dan") == [1, 4]  # ann has used her chance; dan gets the unit
    assert settle_all(line, sale) == 1
    assert entries(sale)[-1] == (4, "dan", "pending")


def test_the_pointer_stops_before_the_first_place_without_an_order(
    make_sale: MakeSale, line: Line, settings: Settings
) -> None:
    settings.REJOIN_SECONDS = 0
    sale = make_sale(stock=5)
    sell(line, sale, "ann", "ben", "cleo", "dan")
    Order.objects.filter(buyer="cleo").delete()
    Sale.objects.filter(pk=sale.pk).update(sold=3)
    line.client.flushall()

    rebuild_line(line, sale.pk, broken_epoch=None)

    assert (snapshot_of(line, sale).pointer, snapshot_of(line, sale).places_issued, snapshot_of(line, sale).stock) == (
        2,
        4,
        2,
    )
    assert in_line(line, sale) == ["ann", "ben", "", "dan"]
    assert line.run(commands.rejoin(sale.pk, "cleo", 3)) == (2, 3)
    assert settle_all(line, sale) == 1
    assert entries(sale)[2:] == [(3, "cleo", "pending"), (4, "dan", "pending")]


def test_a_ledger_larger_than_one_restore_call_comes_back_whole(
    make_sale: MakeSale, line: Line, settings: Settings
) -> None:
    settings.REJOIN_SECONDS = 0
    buyers = [f"lamp-fan-{number}" for number in range(1, 2 * commands.RESTORE_CHUNK + 8)]
    sale = make_sale(stock=len(buyers))
    sell(line, sale, *buyers)
    line.client.flushall()

    rebuild_line(line, sale.pk, broken_epoch=None)

    assert in_line(line, sale) == buyers
    assert (snapshot_of(line, sale).pointer, snapshot_of(line, sale).stock) == (607, 0)
    assert agrees(line, sale)


def test_a_lost_line_waits_for_its_crowd(make_sale: MakeSale, line: Line, settings: Settings) -> None:
    settings.REJOIN_SECONDS = 7_777
    sale = make_sale(stock=3)
    sell(line, sale, "ann")
    join(line, sale, "ben")
    line.client.flushall()

    rebuild_line(line, sale.pk, broken_epoch=None)

    seen = snapshot_of(line, sale)
    assert 7_700_000 < seen.rejoin_until_ms - seen.now_ms <= 7_777_000
    assert join(line, sale, "zoe", "ann") == [RejectReason.RECOVERING, 1]
    assert line.run(commands.rejoin(sale.pk, "ben", 2)) == (2, 2)
    assert settle_all(line, sale) == 0  # not before all buyers had time to return
    assert (entries(sale), sold(sale)) == ([(1, "ann", "pending")], 1)


@pytest.fixture
def _every_answer_on_disk(line: Line) -> Iterator[None]:
    """Make the server sync its log before each response, so that a restart loses nothing."""
    line.client.config_set("appendfsync", "always")
    yield
    line.client.config_set("appendfsync", "everysec")


@pytest.mark.usefixtures("_every_answer_on_disk")
@pytest.mark.parametrize("opens_in", [-60, 600], ids=["open", "scheduled"])
def test_a_line_that_is_still_there_makes_nobody_wait(
    make_sale: MakeSale, line: Line, settings: Settings, opens_in: float
) -> None:
    settings.REJOIN_SECONDS = 7_777
    sale = make_sale(stock=3)
    join(line, sale, "ann")
    Sale.objects.filter(pk=sale.pk).update(opens_at=timezone.now() + timedelta(seconds=opens_in))
    line.invalidate(sale.pk)

    rebuild_line(line, sale.pk, broken_epoch=None)

    assert (snapshot_of(line, sale).epoch, snapshot_of(line, sale).rejoin_until_ms) == (2, 0)
    assert in_line(line, sale) == ["ann"]


def test_where_a_restart_may_lose_the_end_of_a_line_the_line_waits_for_its_crowd(
    make_sale: MakeSale, line: Line, settings: Settings
) -> None:
    settings.REJOIN_SECONDS = 7_777
    sale = make_sale(stock=3)
    join(line, sale, "ann")
    line.invalidate(sale.pk)

    rebuild_line(line, sale.pk, broken_epoch=None)

    assert snapshot_of(line, sale).rejoin_until_ms > snapshot_of(line, sale).now_ms + 7_700_000
    assert in_line(line, sale) == ["ann"]
    assert join(line, sale, "zoe", "ann") == [RejectReason.RECOVERING, 1]


def test_a_sale_that_had_not_opened_has_no_crowd_to_wait_for(
    make_sale: MakeSale, line: Line, settings: Settings
) -> None:
    settings.REJOIN_SECONDS = 7_777
    sale = make_sale(stock=3, opens_in=600)
    line.client.flushall()

    rebuild_line(line, sale.pk, broken_epoch=None)

    assert (snapshot_of(line, sale).epoch, snapshot_of(line, sale).rejoin_until_ms) == (2, 0)


def test_a_sale_loaded_for_the_first_time_has_no_crowd_to_wait_for(
    make_sale: MakeSale, line: Line, settings: Settings
) -> None:
    settings.REJOIN_SECONDS = 7_777
    sale = make_sale(stock=3, publish=False)

    rebuild_line(line, sale.pk, broken_epoch=None)

    assert (snapshot_of(line, sale).epoch, snapshot_of(line, sale).rejoin_until_ms) == (1, 0)
    assert join(line, sale, "ann") == [1]


def test_buyers_keep_their_places_when_only_the_stock_was_wrong(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    sell(line, sale, "ann", "ben", "cleo", "dan")
    add_units_behind_its_back(line, sale, -1)
    assert not agrees(line, sale)

    rebuild_line(line, sale.pk, broken_epoch=1)

    assert in_line(line, sale) == ["ann", "ben", "cleo", "dan"]
    assert join(line, sale, "dan", "cleo") == [4, 3]
    seen = snapshot_of(line, sale)
    assert (seen.epoch, seen.stock, seen.pointer, seen.waiting, seen.rejoin_until_ms) == (2, 0, 2, 2, 0)
    assert agrees(line, sale)


def test_the_epoch_grows_with_every_rebuild(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)

    for epoch in (1, 2, 3):
        rebuild_line(line, sale.pk, broken_epoch=epoch)
        assert snapshot_of(line, sale).epoch == Sale.objects.get(pk=sale.pk).epoch == epoch + 1


@pytest.mark.parametrize("broken_epoch", [None, 1, 3])
def test_a_line_somebody_else_has_rebuilt_is_left_alone(
    make_sale: MakeSale, line: Line, broken_epoch: int | None
) -> None:
    sale = make_sale(stock=2)
    join(line, sale, "ann")
    rebuild_line(line, sale.pk, broken_epoch=1)
    reserve_and_die(line, sale, upto=1)

    rebuild_line(line, sale.pk, broken_epoch=broken_epoch)

    seen = snapshot_of(line, sale)
    assert (seen.epoch, seen.reserved_units, seen.stock) == (2, 1, 1)
    assert Sale.objects.get(pk=sale.pk).epoch == 2


def test_what_redis_needs_to_know_of_a_sale(make_sale: MakeSale) -> None:
    sale = make_sale(stock=57, line_limit=815)

    assert redis_config(sale) == commands.SaleConfig(
        stock_total=57,
        opens_ms=to_epoch_ms(sale.opens_at),
        closes_ms=to_epoch_ms(sale.closes_at),
        status="open",
        line_limit=815,
    )


def test_a_rebuilt_line_has_the_unit_of_a_cancelled_order_and_agrees(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    line.run(commands.admit(sale.pk, ["ann", "ben"]))
    settle(line, sale.pk, upto=2)
    cancel(Order.objects.get(buyer="ann"))

    rebuild_line(line, sale.pk, broken_epoch=1)

    assert agrees(line, sale)
    assert release_units(line) == []  # it was returned already, once
    assert agrees(line, sale)


def test_a_rebuild_that_broke_off_still_lets_the_crowd_come_back_first(
    make_sale: MakeSale, line: Line, settings: Settings
) -> None:
    settings.REJOIN_SECONDS = 7_777
    sale = make_sale(stock=3)
    line.run(commands.admit(sale.pk, ["ann"]))
    settle(line, sale.pk, upto=1)
    line.client.flushdb()
    line.invalidate(sale.pk)
    line.run(commands.restore(sale.pk, [(1, "ann", outcome_of(Order.objects.get()))]))  # Redis is away from here on

    rebuild_line(line, sale.pk, broken_epoch=None)

    assert line.run(commands.admit(sale.pk, ["stranger"])).places == [RejectReason.RECOVERING]


def test_an_epoch_whose_building_was_never_written_down_is_not_given_out_again(
    make_sale: MakeSale, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = make_sale(stock=3, publish=False)

    with monkeypatch.context() as patched:
        patched.setattr(
            "orders.reconciliation.unreleased_orders", die
        )  # the line is changed; the ledger is not committed
        with pytest.raises(KeyboardInterrupt):
            rebuild_line(line, sale.pk, broken_epoch=None)
    first = snapshot_of(line, sale).epoch
    line.client.flushall()
    rebuild_line(line, sale.pk, broken_epoch=None)

    assert (first, snapshot_of(line, sale).epoch) == (1, 2)


def die() -> None:
    raise KeyboardInterrupt
