"""Public sales: by the line, or by the ledger while the line is unavailable."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from pytest_django import DjangoAssertNumQueries

from orders.payment import pay
from orders.sweep import sweep
from seckill.catalog.models import Product, Sale
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import join, reserve_and_die, sell, snapshot_of
from tests.web.conftest import LogIn
from tests.web.responses import problem, written

pytestmark = pytest.mark.django_db

Arrange = Callable[[MakeSale, Line], Sale]


def expected(sale: Sale, *, state: str, remaining: int) -> dict[str, Any]:
    """Return the whole document without the server's time."""
    return {
        "id": sale.pk,
        "product": {"name": "Copper kettle", "description": "", "image": None},
        "price": "19.90",
        "currency": "USD",
        "stock": sale.stock,
        "remaining": remaining,
        "state": state,
        "opens_at": written(sale.opens_at),
        "closes_at": written(sale.closes_at),
        "pay_within_s": 900,
    }


def sold_out(make_sale: MakeSale, line: Line) -> Sale:
    sale = make_sale(stock=2)
    sell(line, sale, "ann", "ben", "cleo")
    return sale


def half_sold(make_sale: MakeSale, line: Line) -> Sale:
    sale = make_sale(stock=5)
    sell(line, sale, "ann", "ben")
    join(line, sale, "cleo")
    reserve_and_die(line, sale, upto=3)  # reserved units count as gone
    return sale


def ended(make_sale: MakeSale, line: Line) -> Sale:
    sale = make_sale(stock=1)
    pay(sell(line, sale, "ann", "ben")["ann"])
    sweep(line)
    assert snapshot_of(line, sale).ended_ms > 0
    return sale


STATES: list[tuple[str, Arrange, str, int]] = [
    ("opens later", lambda make, _: make(opens_in=600), "scheduled", 3),
    ("open", lambda make, _: make(), "open", 3),
    ("half sold", half_sold, "open", 2),
    ("sold out", sold_out, "sold_out", 0),
    ("ended", ended, "sold_out", 0),
    ("paused", lambda make, _: make(status="paused"), "paused", 3),
    ("closed by hand", lambda make, _: make(status="closed"), "closed", 3),
    ("closed by the clock", lambda make, _: make(opens_in=-3600, closes_in=-1), "closed", 3),
]


@pytest.mark.parametrize(
    ("arrange", "state", "remaining"), [case[1:] for case in STATES], ids=[case[0] for case in STATES]
)
def test_a_sale_is_shown_with_the_figures_of_the_line(
    client: Client, make_sale: MakeSale, line: Line, arrange: Arrange, state: str, remaining: int
) -> None:
    sale = arrange(make_sale, line)
    before = snapshot_of(line, sale).now_ms

    answer = client.get(f"/api/sales/{sale.pk}/")

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer["Cache-Control"] == "public, max-age=1"
    document = answer.json()
    server_time = parse_datetime(document.pop("server_time"))
    assert server_time is not None
    assert before <= server_time.timestamp() * 1000 <= snapshot_of(line, sale).now_ms
    assert document == expected(sale, state=state, remaining=remaining)
    listed = client.get("/api/sales/").json()
    assert [{**entry, "server_time": None} for entry in listed] == [{**document, "server_time": None}]


LEDGER_STATES: list[tuple[str, dict[str, Any], dict[str, Any], str, int]] = [
    ("opens later", {"opens_in": 600}, {}, "scheduled", 3),
    ("open", {}, {"sold": 1}, "open", 2),
    ("sold out", {}, {"sold": 3}, "sold_out", 0),
    ("ended", {}, {"sold": 3, "ended_at": timezone.now()}, "sold_out", 0),
    ("paused", {"status": "paused"}, {}, "paused", 3),
    ("closed by hand", {"status": "closed"}, {}, "closed", 3),
    ("closed by the clock", {"opens_in": -3600, "closes_in": -1}, {}, "closed", 3),
]


@pytest.mark.parametrize("away", [False, True], ids=["redis knows no such sale", "redis is away"])
@pytest.mark.parametrize(
    ("make", "change", "state", "remaining"),
    [case[1:] for case in LEDGER_STATES],
    ids=[case[0] for case in LEDGER_STATES],
)
def test_while_the_line_is_unavailable_the_figures_are_those_of_the_ledger(
    request: pytest.FixtureRequest, client: Client, make_sale: MakeSale, away: bool,
    make: dict[str, Any], change: dict[str, Any], state: str, remaining: int,
) -> None:  # fmt: skip
    sale = make_sale(publish=False, **make)
    if change:
        Sale.objects.filter(pk=sale.pk).update(**change)
    if away:
        request.getfixturevalue("_redis_is_away")
    before = timezone.now()

    answers = [client.get(f"/api/sales/{sale.pk}/").json(), client.get("/api/sales/").json()[0]]

    for document in answers:
        server_time = parse_datetime(document.pop("server_time"))
        assert server_time is not None
        assert before - timedelta(milliseconds=1) <= server_time <= timezone.now()
        assert document == expected(sale, state=state, remaining=remaining)


def test_the_picture_of_a_product_has_an_absolute_address(client: Client, make_sale: MakeSale) -> None:
    sale = make_sale(price=Decimal("0.00"), currency="JPY", pay_within_seconds=60)
    Product.objects.update(image="products/kettle.png", description="Whistles in G.")

    document = client.get(f"/api/sales/{sale.pk}/").json()

    assert document["product"] == {
        "name": "Copper kettle",
        "description": "Whistles in G.",
        "image": "http://testserver/media/products/kettle.png",
    }
    assert (document["price"], document["currency"], document["pay_within_s"]) == ("0.00", "JPY", 60)


def test_sales_are_listed_by_their_opening(client: Client, make_sale: MakeSale) -> None:
    third, first, second = make_sale(opens_in=90), make_sale(opens_in=-90), make_sale(opens_in=30)

    assert [sale["id"] for sale in client.get("/api/sales/").json()] == [first.pk, second.pk, third.pk]


def test_sales_that_were_over_a_week_ago_are_left_out_of_the_list(client: Client, make_sale: MakeSale) -> None:
    day = 86_400
    old = make_sale(opens_in=-20 * day, closes_in=-7 * day - 60)
    recent = make_sale(opens_in=-20 * day, closes_in=-7 * day + 60)

    assert [sale["id"] for sale in client.get("/api/sales/").json()] == [recent.pk]
    assert client.get(f"/api/sales/{old.pk}/").json()["state"] == "closed"  # its own page still exists


def test_the_list_is_a_hundred_sales_long_at_most(client: Client, make_sale: MakeSale) -> None:
    sale = make_sale(publish=False)
    Sale.objects.bulk_create(
        Sale(product=sale.product, price=1, stock=1, opens_at=sale.opens_at, closes_at=sale.closes_at)
        for _ in range(104)
    )

    assert len(client.get("/api/sales/").json()) == 100


@pytest.mark.parametrize("sales", [0, 1, 7])
def test_the_list_costs_one_query_however_long(
    client: Client, make_sale: MakeSale, django_assert_num_queries: DjangoAssertNumQueries, sales: int
) -> None:
    for _ in range(sales):
        make_sale()

    with django_assert_num_queries(1):
        assert len(client.get("/api/sales/").json()) == sales


@pytest.mark.parametrize("number", ["815", "99999999999999999999999"])
def test_a_sale_that_does_not_exist_is_not_found(client: Client, number: str) -> None:
    problem(client.get(f"/api/sales/{number}/"), 404, "not_found")


def test_who_is_logged_in_gets_what_any_cache_may_hold(make_sale: MakeSale, log_in: LogIn) -> None:
    sale = make_sale()

    answer = log_in("ann").get(f"/api/sales/{sale.pk}/", headers={"Authorization": "Bearer nonsense"})

    assert (answer.status_code, answer["Cache-Control"]) == (200, "public, max-age=1")
    assert "Cookie" not in answer["Vary"]
    assert "Set-Cookie" not in answer


def test_who_is_logged_in_costs_no_look_at_the_session(
    make_sale: MakeSale, log_in: LogIn, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    sale = make_sale()
    browser = log_in("ann")

    with django_assert_num_queries(1):
        browser.get(f"/api/sales/{sale.pk}/")
