"""``manage.py open_sale`` opens a sale now."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from seckill.catalog.models import Sale
from seckill.line.commands import RejectReason
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import in_line, join, snapshot_of

pytestmark = pytest.mark.django_db


def open_sale(*arguments: object) -> str:
    """Return its output."""
    out = StringIO()
    call_command("open_sale", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("make", "refusal"),
    [
        ({"opens_in": 600}, RejectReason.NOT_OPEN),
        ({"status": "paused"}, RejectReason.PAUSED),
        ({"status": "closed"}, RejectReason.CLOSED),
    ],
)
def test_a_sale_that_admits_nobody_does_so_afterwards(
    make_sale: MakeSale, line: Line, make: dict[str, object], refusal: RejectReason
) -> None:
    sale = make_sale(**make)
    assert join(line, sale, "ann") == [refusal]

    printed = open_sale(sale.pk)

    assert printed == f"Sale {sale.pk} is open until {sale.closes_at:%Y-%m-%d %H:%M} UTC.\n"
    assert join(line, sale, "ann") == [1]
    opened = Sale.objects.get(pk=sale.pk)
    assert (opened.status, opened.closes_at, opened.epoch) == ("open", sale.closes_at, 1)
    assert opened.opens_at <= timezone.now()


def test_twice_is_as_good_as_once(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(opens_in=600)
    open_sale(sale.pk)
    opens_at = Sale.objects.get(pk=sale.pk).opens_at
    join(line, sale, "ann")

    open_sale(sale.pk)

    assert Sale.objects.get(pk=sale.pk).opens_at == opens_at
    assert (in_line(line, sale), snapshot_of(line, sale).epoch, snapshot_of(line, sale).stock) == (["ann"], 1, 3)


def test_a_sale_that_was_over_opens_again_for_some_minutes(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(opens_in=-3600, closes_in=-60)
    before = timezone.now()

    open_sale(sale.pk, "--minutes", 7)

    closes_at = Sale.objects.get(pk=sale.pk).closes_at
    assert before + timedelta(minutes=7) <= closes_at <= timezone.now() + timedelta(minutes=7)
    assert join(line, sale, "ann") == [1]


def test_a_sale_redis_does_not_know_is_loaded(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(publish=False, opens_in=600)

    open_sale(sale.pk)

    assert join(line, sale, "ann") == [1]


def test_a_sale_that_does_not_exist_can_not_open() -> None:
    with pytest.raises(CommandError, match=r"^There is no sale 815\.$"):
        open_sale(815)


def test_a_sale_that_was_over_needs_a_new_closing_time(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(opens_in=-3600, closes_in=-60, status="closed")

    with pytest.raises(CommandError, match=rf"^Sale {sale.pk} closed at .* UTC\. Use --minutes to reopen it\.$"):
        open_sale(sale.pk)

    assert Sale.objects.get(pk=sale.pk).status == "closed"
    assert join(line, sale, "ann") == [RejectReason.CLOSED]


@pytest.mark.parametrize("minutes", [0, -5])
def test_a_sale_can_not_close_before_it_opens(make_sale: MakeSale, line: Line, minutes: int) -> None:
    sale = make_sale(opens_in=600)

    with pytest.raises(CommandError, match=r"Use --minutes to reopen it\.$"):
        open_sale(sale.pk, f"--minutes={minutes}")

    assert (Sale.objects.get(pk=sale.pk).opens_at, join(line, sale, "ann")) == (sale.opens_at, [RejectReason.NOT_OPEN])


def test_a_sale_that_has_ended_cannot_be_reopened(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(status="closed")
    Sale.objects.filter(pk=sale.pk).update(ended_at=timezone.now())

    with pytest.raises(CommandError, match=rf"^Sale {sale.pk} has ended and can't be reopened\. Create a new sale\.$"):
        open_sale(sale.pk, "--minutes", 5)

    assert (Sale.objects.get(pk=sale.pk).status, join(line, sale, "ann")) == ("closed", [RejectReason.CLOSED])
