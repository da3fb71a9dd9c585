"""Audits: differences found in a line or in the ledger, recorded once per sale; an audit changes nothing else."""

from collections.abc import Iterator
from functools import partial
from threading import Event

import pytest
import redis
from django.db import connection, transaction
from django.utils import timezone
from structlog.testing import capture_logs

from devtools.embedded.ports import free_port
from devtools.waiting import WAIT_SECONDS_MAX
from orders.audit import run_audit
from orders.ledger import write_orders
from orders.models import Audit, Order
from orders.payment import cancel, pay
from orders.reconciliation import reconcile
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.keys import sale_keys
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import (
    add_units_behind_its_back,
    at_once,
    await_waiter,
    in_line,
    join,
    reserve_and_die,
    sell,
    snapshot_of,
)

pytestmark = pytest.mark.django_db

NOT_COMPARED = {"pending_release": None, "db_stock": None, "outcomes": None, "orders": None}
NOT_COUNTED = {"epoch": None, "reserved_units": None, "redis_stock": None, **NOT_COMPARED}


def audit_by_command(line: Line, sale: Sale) -> Audit:
    return run_audit(line, sale.pk, by=Audit.By.COMMAND)


def numbers(found: Audit) -> dict[str, int | None]:
    """Return all counts."""
    names = ("stock", "sold", "active_orders", "epoch", "reserved_units", "pending_release", "redis_stock", "db_stock")
    return {name: getattr(found, name) for name in (*names, "outcomes", "orders")}


def count_wrong(sale: Sale, *, sold: int) -> None:
    """Change the ledger's counter by hand."""
    Sale.objects.filter(pk=sale.pk).update(sold=sold)


@pytest.fixture
def dead_line() -> Iterator[Line]:
    """A line whose server does not respond."""
    with redis.Redis(port=free_port(), decode_responses=True) as client:
        yield Line(client)


@pytest.fixture
def no_guard(db: None) -> Iterator[None]:  # noqa: ARG001 (it changes the database)
    """A database without the constraint against overselling."""
    sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        cursor.execute(
            "PRAGMA ignore_check_constraints = ON"
            if sqlite
            else "ALTER TABLE catalog_sale DROP CONSTRAINT sale_never_oversold"  # restored by the test's rollback
        )
        yield
        if sqlite:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def test_a_line_at_rest_agrees_with_the_ledger(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    assert audit_by_command(line, sale).result == "agrees"

    orders = sell(line, sale, "ann", "ben", "cleo", "dan")
    pay(orders["ben"])
    cancel(orders["ann"])  # its unit is not released yet
    assert snapshot_of(line, sale).stock == 0

    found = audit_by_command(line, sale)
    assert found.result == "agrees"
    assert numbers(found) == {
        "stock": 3,
        "sold": 2,
        "active_orders": 2,
        "epoch": 1,
        "reserved_units": 0,
        "pending_release": 1,
        "redis_stock": 0,
        "db_stock": 0,
        "outcomes": 3,
        "orders": 3,
    }


@pytest.mark.parametrize("units", [2, -1, -40, 3_000_000_000])
def test_a_line_with_the_wrong_number_of_units_is_found(make_sale: MakeSale, line: Line, units: int) -> None:
    sale = make_sale(stock=7)
    sell(line, sale, "ann", "ben", "cleo")
    add_units_behind_its_back(line, sale, units)

    found = audit_by_command(line, sale)

    assert found.result == "drift"
    assert (found.redis_stock, found.db_stock, found.outcomes, found.orders) == (4 + units, 4, 3, 3)


def test_a_line_that_lost_an_outcome_is_found(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=7)
    sell(line, sale, "ann", "ben", "cleo")
    line.client.hdel(sale_keys(sale.pk).outcomes, "ben")

    found = audit_by_command(line, sale)

    assert found.result == "drift"
    assert (found.redis_stock, found.db_stock, found.outcomes, found.orders) == (4, 4, 2, 3)


def test_units_being_released_are_distinguished_from_lost_ones(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=7)
    cancel(sell(line, sale, "ann", "ben")["ann"])
    assert audit_by_command(line, sale).result == "agrees"
    add_units_behind_its_back(line, sale, -2)

    found = audit_by_command(line, sale)

    assert found.result == "drift"
    assert (found.redis_stock, found.db_stock, found.pending_release) == (3, 5, 1)


def test_while_places_are_being_settled_only_the_ledger_is_judged(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=7)
    sell(line, sale, "ann")
    join(line, sale, "ben", "cleo")
    reservation = reserve_and_die(line, sale, upto=3)
    add_units_behind_its_back(line, sale, 5)

    found = audit_by_command(line, sale)

    assert found.result == "busy"
    assert numbers(found) == {
        "stock": 7, "sold": 1, "active_orders": 1, "epoch": 1, "reserved_units": 2, "redis_stock": 9, **NOT_COMPARED
    }  # fmt: skip

    line.run(commands.confirm(reservation, []))  # the reservation is closed, so the error shows

    found = audit_by_command(line, sale)
    assert (found.result, found.redis_stock, found.db_stock) == ("drift", 11, 6)


def test_the_audit_of_a_sale_that_is_not_loaded_is_unknown(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=7, publish=False)

    found = audit_by_command(line, sale)

    assert found.result == "unknown"
    assert numbers(found) == {"stock": 7, "sold": 0, "active_orders": 0, **NOT_COUNTED}
    assert line.client.dbsize() == 0


def test_an_audit_while_redis_is_away_is_stored_as_unreachable(
    make_sale: MakeSale, line: Line, dead_line: Line
) -> None:
    sale = make_sale(stock=7)
    sell(line, sale, "ann")
    audit_by_command(line, sale)

    with pytest.raises(redis.ConnectionError):
        audit_by_command(dead_line, sale)

    last = Audit.objects.get()
    assert last.result == "unreachable"
    assert numbers(last) == {"stock": 7, "sold": 1, "active_orders": 1, **NOT_COUNTED}


@pytest.mark.parametrize("wrong", [1, 3])
def test_a_ledger_that_counts_other_units_than_its_orders_hold_contradicts_itself(
    make_sale: MakeSale, line: Line, wrong: int
) -> None:
    sale = make_sale(stock=7)
    orders = sell(line, sale, "ann", "ben", "cleo")
    pay(orders["ben"])
    cancel(orders["cleo"])
    count_wrong(sale, sold=wrong)

    with capture_logs() as logs:
        found = audit_by_command(line, sale)

    assert found.result == "contradiction"
    assert (found.stock, found.sold, found.active_orders) == (7, wrong, 2)
    assert logs == [
        {
            "event": "contradiction_found", "log_level": "error",
            "sale": sale.pk, "stock": 7, "sold": wrong, "active_orders": 2,
        }
    ]  # fmt: skip


@pytest.mark.usefixtures("no_guard")
def test_a_ledger_that_sold_more_than_there_is_contradicts_itself(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    sell(line, sale, "ann", "ben")
    Sale.objects.filter(pk=sale.pk).update(stock=1)
    add_units_behind_its_back(line, sale, -1)  # as Redis would count: line and ledger agree

    found = audit_by_command(line, sale)

    assert found.result == "contradiction"
    assert (found.stock, found.sold, found.active_orders) == (1, 2, 2)
    assert (found.redis_stock, found.db_stock) == (-1, -1)


def test_what_the_line_says_does_not_hide_that_the_ledger_is_wrong(
    make_sale: MakeSale, line: Line, dead_line: Line
) -> None:
    busy, unknown, away = (make_sale(stock=7) for _ in range(3))
    for sale in (busy, unknown, away):
        sell(line, sale, "ann")
        count_wrong(sale, sold=4)
    join(line, busy, "ben")
    reserve_and_die(line, busy, upto=2)
    line.invalidate(unknown.pk)

    audit_by_command(line, busy)
    audit_by_command(line, unknown)
    with pytest.raises(redis.ConnectionError):
        audit_by_command(dead_line, away)

    assert list(Audit.objects.order_by("sale").values_list("sale", "result", "reserved_units")) == [
        (busy.pk, "contradiction", 1),
        (unknown.pk, "contradiction", None),
        (away.pk, "contradiction", None),
    ]


def test_nothing_is_built_from_a_ledger_that_contradicts_itself(make_sale: MakeSale, line: Line) -> None:
    """With one order too many in the counter, a line rebuilt from it would promise a unit too few or too many."""
    wrong, forgotten = make_sale(stock=7), make_sale(stock=7)
    for sale in (wrong, forgotten):
        sell(line, sale, "ann", "ben")
        count_wrong(sale, sold=1)
    line.invalidate(forgotten.pk)

    found = [reconcile(line, sale.pk, by=Audit.By.BEAT) for sale in (wrong, forgotten)]

    assert [(audit.result, audit.repaired) for audit in found] == [("contradiction", False), ("contradiction", False)]
    assert (snapshot_of(line, wrong).epoch, snapshot_of(line, wrong).stock) == (1, 5)
    assert not line.client.exists(sale_keys(forgotten.pk).meta)
    assert set(Sale.objects.values_list("sold", "epoch")) == {(1, 1)}


def test_the_last_audit_is_the_one_that_is_kept(make_sale: MakeSale, line: Line) -> None:
    kettles, lamps = make_sale(stock=7), make_sale(stock=5)
    add_units_behind_its_back(line, kettles, 1)
    run_audit(line, kettles.pk, by=Audit.By.BEAT)
    run_audit(line, lamps.pk, by=Audit.By.BEAT)
    before = timezone.now()
    add_units_behind_its_back(line, kettles, -1)

    run_audit(line, kettles.pk, by=Audit.By.ADMIN)

    assert list(Audit.objects.order_by("sale").values_list("sale", "triggered_by", "result", "redis_stock")) == [
        (kettles.pk, "admin", "agrees", 7),
        (lamps.pk, "beat", "agrees", 5),
    ]
    assert before <= Audit.objects.get(sale=kettles).audited_at <= timezone.now()


def test_looking_changes_nothing(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=7)
    sell(line, sale, "ann")
    add_units_behind_its_back(line, sale, 4)
    before = line.client.get(sale_keys(sale.pk).stock), Sale.objects.values().get(), list(Order.objects.values())

    assert (audit_by_command(line, sale).repaired, audit_by_command(line, sale).repaired) == (False, False)

    assert (line.client.get(sale_keys(sale.pk).stock), Sale.objects.values().get(), list(Order.objects.values())) == (
        before
    )
    assert snapshot_of(line, sale).epoch == 1


@pytest.mark.parametrize("trouble", ["drift", "unknown"])
def test_a_repaired_line_keeps_its_people_and_the_audit_says_so(make_sale: MakeSale, line: Line, trouble: str) -> None:
    sale = make_sale(stock=2)
    sell(line, sale, "ann", "ben", "cleo")
    if trouble == "drift":
        add_units_behind_its_back(line, sale, 4)
    else:
        line.invalidate(sale.pk)

    found = reconcile(line, sale.pk, by=Audit.By.BEAT)

    last = Audit.objects.get()
    assert (found.result, found.repaired, last.result, last.repaired) == (trouble, True, trouble, True)
    assert (snapshot_of(line, sale).stock, snapshot_of(line, sale).epoch, in_line(line, sale)) == (
        0,
        2,
        ["ann", "ben", "cleo"],
    )
    assert reconcile(line, sale.pk, by=Audit.By.BEAT).result == "agrees"
    assert (snapshot_of(line, sale).epoch, Audit.objects.get().repaired) == (2, False)


@pytest.mark.parametrize("quiet", ["agrees", "busy"])
def test_a_line_that_agrees_or_is_busy_is_not_rebuilt(make_sale: MakeSale, line: Line, quiet: str) -> None:
    sale = make_sale(stock=2)
    join(line, sale, "ann")
    if quiet == "busy":
        reserve_and_die(line, sale, upto=1)

    found = reconcile(line, sale.pk, by=Audit.By.BEAT)

    assert (found.result, found.repaired, snapshot_of(line, sale).epoch) == (quiet, False, 1)


def test_a_drift_is_logged_with_its_numbers(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=7)
    sell(line, sale, "ann")
    audit_by_command(line, sale)
    add_units_behind_its_back(line, sale, 4)

    with capture_logs() as logs:
        audit_by_command(line, sale)

    assert logs == [
        {
            "event": "drift_found", "log_level": "error", "sale": sale.pk, "epoch": 1,
            "redis_stock": 10, "db_stock": 6, "outcomes": 1, "orders": 1,
        }
    ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_many_who_audit_a_sale_for_the_first_time_at_once_all_succeed(make_sale: MakeSale, line: Line) -> None:
    for _ in range(10):
        sale = make_sale(stock=7)

        found = at_once([partial(run_audit, line, sale.pk, by=Audit.By.BEAT)] * 8)

        assert [audit.result for audit in found] == ["agrees"] * 8
    assert Audit.objects.count() == 10


@pytest.mark.django_db(transaction=True)
def test_an_audit_waits_for_orders_that_are_being_written(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=7)
    join(line, sale, "ann")
    reservation = reserve_and_die(line, sale, upto=1)
    confirmed = Event()

    def write() -> str:
        with transaction.atomic():
            line.run(commands.confirm(reservation, write_orders(reservation)))
            confirmed.set()
            await_waiter()
        return ""

    def look_meanwhile() -> str:
        assert confirmed.wait(WAIT_SECONDS_MAX)
        return run_audit(line, sale.pk, by=Audit.By.BEAT).result

    assert at_once([write, look_meanwhile]) == ["", "agrees"]


@pytest.mark.django_db(transaction=True)
def test_a_busy_ledger_never_seems_to_contradict_itself(make_sale: MakeSale, line: Line) -> None:
    """Orders and ``sold`` change together; one statement sees both before or both after."""
    sale = make_sale(stock=40)

    def trade() -> list[str]:
        for number in range(12):
            orders = sell(line, sale, *(f"fan-{number}-{index}" for index in range(3)))
            cancel(orders[f"fan-{number}-1"])
        return []

    def watch() -> list[str]:
        return [run_audit(line, sale.pk, by=Audit.By.BEAT).result for _ in range(40)]

    seen = {result for results in at_once([trade, watch, watch]) for result in results}

    assert "contradiction" not in seen
    assert audit_by_command(line, sale).result == "agrees"
    assert (Audit.objects.get().sold, Audit.objects.get().active_orders) == (24, 24)
