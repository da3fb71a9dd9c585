"""``manage.py reconcile`` compares the line with the ledger."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from devtools.embedded.ports import free_port
from orders.models import Audit
from seckill.catalog.models import Sale
from seckill.line.keys import sale_keys
from seckill.line.line import Line, get_line
from tests.conftest import MakeSale
from tests.orders.crowd import add_units_behind_its_back, in_line, join, reserve_and_die, sell, snapshot_of

pytestmark = pytest.mark.django_db


def reconcile(*arguments: str) -> tuple[int, list[str]]:
    """Return the exit status and the lines it prints."""
    out = StringIO()
    status: str | int | None = 0
    try:
        call_command("reconcile", *arguments, stdout=out)
    except SystemExit as end:
        status = end.code
    return int(status or 0), out.getvalue().splitlines()


def test_no_sale_no_line() -> None:
    assert reconcile() == (0, [])


def test_what_agrees_is_said_to(make_sale: MakeSale, line: Line) -> None:
    kettles, lamps = make_sale(stock=2), make_sale(stock=5)
    sell(line, kettles, "ann", "ben", "cleo")

    assert reconcile() == reconcile("--repair") == (0, [f"sale {kettles.pk}: agrees", f"sale {lamps.pk}: agrees"])
    assert (snapshot_of(line, kettles).epoch, snapshot_of(line, lamps).epoch) == (1, 1)


def test_what_differs_is_reported_and_left_alone(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=5)
    sell(line, sale, "ann", "ben")
    add_units_behind_its_back(line, sale, 4)
    line.client.hdel(sale_keys(sale.pk).outcomes, "ben")
    report = f"sale {sale.pk}: units left 7 in the line, 3 in the ledger; outcomes 1 in the line, 2 in the ledger"

    assert reconcile() == (1, [report])
    assert reconcile() == (1, [report])  # a check without repair changes nothing
    assert (snapshot_of(line, sale).stock, snapshot_of(line, sale).epoch) == (7, 1)


def test_a_line_that_differs_is_repaired_on_request(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    sell(line, sale, "ann", "ben", "cleo")
    add_units_behind_its_back(line, sale, 4)

    status, printed = reconcile("--repair")

    assert (status, len(printed), printed[1]) == (0, 2, f"sale {sale.pk}: rebuilt")
    assert (snapshot_of(line, sale).stock, snapshot_of(line, sale).epoch, in_line(line, sale)) == (
        0,
        2,
        ["ann", "ben", "cleo"],
    )
    assert reconcile("--repair") == (0, [f"sale {sale.pk}: agrees"])
    assert snapshot_of(line, sale).epoch == 2


def test_a_sale_that_is_not_loaded_is_reported_and_rebuilt_on_request(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    line.client.flushall()

    assert reconcile() == (1, [f"sale {sale.pk}: not loaded in Redis"])
    assert reconcile("--repair") == (0, [f"sale {sale.pk}: not loaded in Redis", f"sale {sale.pk}: rebuilt"])
    assert (snapshot_of(line, sale).stock, snapshot_of(line, sale).epoch) == (2, 2)


def test_what_is_being_settled_is_said_to_be_busy_and_is_no_failure(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=5)
    join(line, sale, "ann", "ben")
    reserve_and_die(line, sale, upto=2)

    assert reconcile() == (0, [f"sale {sale.pk}: busy: 2 units are being settled; try again"])


@pytest.mark.parametrize("arguments", [(), ("--repair",)])
def test_a_ledger_that_contradicts_itself_is_said_loudly_and_never_repaired_from(
    make_sale: MakeSale, line: Line, arguments: tuple[str, ...]
) -> None:
    wrong, other = make_sale(stock=5), make_sale(stock=7)
    sell(line, wrong, "ann", "ben", "cleo")
    Sale.objects.filter(pk=wrong.pk).update(sold=2)
    numbers = "sold 2, orders that hold a unit 3, stock 5"

    assert reconcile(*arguments) == (
        1,
        [
            f"sale {wrong.pk}: THE LEDGER CONTRADICTS ITSELF: {numbers}; it is not repaired automatically",
            f"sale {other.pk}: agrees",
        ],
    )
    assert (snapshot_of(line, wrong).epoch, snapshot_of(line, wrong).stock) == (1, 2)
    assert Audit.objects.get(sale=wrong).triggered_by == "command"


def test_sales_that_have_ended_are_looked_at_when_they_are_named(make_sale: MakeSale, line: Line) -> None:
    ended, other, third = make_sale(stock=2), make_sale(stock=5), make_sale(stock=7)
    add_units_behind_its_back(line, ended, 4)
    Sale.objects.filter(pk=ended.pk).update(ended_at=timezone.now())
    report = f"sale {ended.pk}: units left 6 in the line, 2 in the ledger; outcomes 0 in the line, 0 in the ledger"

    assert reconcile() == (0, [f"sale {other.pk}: agrees", f"sale {third.pk}: agrees"])
    assert reconcile(str(third.pk), str(ended.pk), str(ended.pk)) == (1, [report, f"sale {third.pk}: agrees"])
    assert reconcile(str(ended.pk), "--repair") == (0, [report, f"sale {ended.pk}: rebuilt"])
    assert (snapshot_of(line, ended).stock, snapshot_of(line, ended).ended_ms > 0) == (2, True)
    assert set(Audit.objects.values_list("sale", flat=True)) == {ended.pk, other.pk, third.pk}


@pytest.mark.parametrize(
    ("named", "error"),
    [
        (["815", "99999999999999999999", "815"], "There is no sale 815, 99999999999999999999."),
        (["kettle"], "Error: argument SALE: invalid int value: 'kettle'"),
    ],
)
def test_a_sale_that_is_not_there_is_an_error_and_nothing_is_looked_at(
    make_sale: MakeSale, named: list[str], error: str
) -> None:
    sale = make_sale()

    with pytest.raises(CommandError, match=re.escape(error)) as caught:
        reconcile(str(sale.pk), *named)

    assert (caught.value.returncode, Audit.objects.count()) == (2 if "815" in named else 1, 0)


def test_a_redis_that_is_away_is_one_sentence(make_sale: MakeSale, settings: Settings) -> None:
    make_sale()
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    get_line.cache_clear()
    try:
        with pytest.raises(CommandError, match=r"^Redis does not respond: Error 111 connecting to .*\.$") as caught:
            reconcile()
    finally:
        get_line.cache_clear()

    assert (caught.value.returncode, Audit.objects.get().result) == (2, "unreachable")
