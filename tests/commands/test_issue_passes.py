"""``manage.py issue_passes`` prints one pass per line."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from seckill.catalog.models import Sale
from seckill.line.buyers import new_account_id
from seckill.line.passes import Pass
from seckill.timestamps import to_epoch_ms
from tests.conftest import MakeSale

pytestmark = pytest.mark.django_db


def issue(*arguments: object, **options: object) -> list[str]:
    """Return the lines it prints."""
    out = StringIO()
    call_command("issue_passes", *map(str, arguments), stdout=out, **options)
    return out.getvalue().splitlines()


def expected(sale: Sale, buyer: str) -> Pass:
    return Pass(sale.pk, buyer, to_epoch_ms(sale.opens_at), to_epoch_ms(sale.closes_at + timedelta(days=1)))


def test_it_prints_as_many_passes_as_asked_for_each_for_another_buyer(make_sale: MakeSale) -> None:
    sale = make_sale()

    assert [Pass.verify(line) for line in issue(sale.pk, "--count", 3)] == [
        expected(sale, "x:b1"),
        expected(sale, "x:b2"),
        expected(sale, "x:b3"),
    ]


def test_one_is_the_default_and_buyers_may_have_another_name(make_sale: MakeSale) -> None:
    sale = make_sale()

    assert [Pass.verify(line) for line in issue(sale.pk, "--prefix", "kettle-fan-")] == [
        expected(sale, "x:kettle-fan-1")
    ]


def test_no_prefix_makes_the_pass_of_an_account(make_sale: MakeSale) -> None:
    sale = make_sale()
    account = new_account_id()

    assert [Pass.verify(line) for line in issue(sale.pk, "--count", 2, "--prefix", account)] == [
        expected(sale, f"x:{account}1"),
        expected(sale, f"x:{account}2"),
    ]


def test_twice_gives_the_same_passes_and_joins_nobody(make_sale: MakeSale) -> None:
    sale = make_sale(publish=False)

    assert issue(sale.pk, "--count", 2) == issue(sale.pk, "--count", 2)


def test_a_sale_that_does_not_exist_has_none() -> None:
    with pytest.raises(CommandError, match=r"^There is no sale 815\.$"):
        issue(815)


@pytest.mark.parametrize("count", [0, -3])
def test_less_than_one_is_refused(make_sale: MakeSale, count: int) -> None:
    with pytest.raises(CommandError, match=r"^--count must be 1 or more\.$"):
        issue(make_sale().pk, f"--count={count}")


@pytest.mark.parametrize("prefix", ["an n", "ä", "x" * 62])
def test_a_prefix_that_makes_no_name_is_refused(make_sale: MakeSale, prefix: str) -> None:
    with pytest.raises(CommandError, match=r"^not a buyer's name: "):
        issue(make_sale().pk, "--prefix", prefix)
