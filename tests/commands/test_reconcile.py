"""``manage.py reconcile``: does the line agree with the ledger?"""

from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from seckill.line.keys import sale_keys
from seckill.line.line import Line
from seckill.models import Sale
from tests.conftest import MakeSale
from tests.orders.crowd import add_units_behind_its_back, in_line, look, sell

pytestmark = pytest.mark.django_db


def reconcile(*arguments: str) -> tuple[int, list[str]]:
    """Exit status, and the lines it prints."""
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
    assert (look(line, kettles).epoch, look(line, lamps).epoch) == (1, 1)


def test_what_differs_is_reported_and_left_alone(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=5)
    sell(line, sale, "ann", "ben")
    add_units_behind_its_back(line, sale, 4)
    line.client.hdel(sale_keys(sale.pk).outcomes, "ben")
    report = f"sale {sale.pk}: units left 7 in the line, 3 in the ledger; outcomes 1 in the line, 2 in the ledger"

    assert reconcile() == (1, [report])
    assert reconcile() == (1, [report])  # only looking changes nothing
    assert (look(line, sale).stock, look(line, sale).epoch) == (7, 1)


def test_what_differs_is_repaired_when_asked(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    sell(line, sale, "ann", "ben", "cleo")
    add_units_behind_its_back(line, sale, 4)

    status, printed = reconcile("--repair")

    assert (status, len(printed), printed[1]) == (0, 2, f"sale {sale.pk}: rebuilt")
    assert (look(line, sale).stock, look(line, sale).epoch, in_line(line, sale)) == (0, 2, ["ann", "ben", "cleo"])
    assert reconcile("--repair") == (0, [f"sale {sale.pk}: agrees"])
    assert look(line, sale).epoch == 2


def test_a_sale_redis_does_not_know_is_reported_and_rebuilt_when_asked(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    line.client.flushall()

    assert reconcile() == (1, [f"sale {sale.pk}: unknown to Redis"])
    assert reconcile("--repair") == (0, [f"sale {sale.pk}: unknown to Redis", f"sale {sale.pk}: rebuilt"])
    assert (look(line, sale).stock, look(line, sale).epoch) == (2, 2)


def test_sales_that_have_ended_are_left_in_peace(make_sale: MakeSale) -> None:
    sale = make_sale(publish=False)
    Sale.objects.filter(pk=sale.pk).update(ended_at=timezone.now())

    assert reconcile() == (0, [])
