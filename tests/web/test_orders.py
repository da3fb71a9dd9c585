"""Orders: a buyer's own, by session or by pass; other buyers' orders are 404."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from orders.expiry import expire_overdue_orders
from orders.models import Order
from orders.payment import cancel, pay
from seckill.accounts.models import User
from seckill.catalog.models import Sale
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import sell, sold
from tests.web.conftest import LogIn
from tests.web.responses import bearer, problem, written

pytestmark = pytest.mark.django_db


def buyer(username: str) -> str:
    """Return the buyer name of a registered user."""
    return User.objects.get(username=username).buyer_id


def expected(order: Order) -> dict[str, object]:
    """Return the whole document."""
    return {
        "number": order.number,
        "sale": order.sale_id,
        "product": "Copper kettle",
        "place": order.place,
        "price": "19.90",
        "currency": "USD",
        "status": order.status,
        "created_at": written(order.created_at),
        "pay_before": written(order.pay_before),
        "status_changed_at": written(order.status_changed_at) if order.status_changed_at else None,
    }


def test_a_user_sees_the_own_orders_newest_first(log_in: LogIn, make_sale: MakeSale, line: Line) -> None:
    ann = log_in("ann")
    log_in("ben")
    kettles, lamps = make_sale(stock=2), make_sale(stock=2)
    first = sell(line, kettles, buyer("ben"), buyer("ann"))[buyer("ann")]
    second = pay(sell(line, lamps, buyer("ann"), buyer("ben"))[buyer("ann")])

    answer = ann.get("/api/orders/")

    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert answer.json() == [expected(second), expected(first)]
    assert (answer.json()[0]["status"], answer.json()[1]["place"]) == ("paid", 2)


def test_one_order_in_detail(log_in: LogIn, make_sale: MakeSale, line: Line) -> None:
    ann = log_in("ann")
    order = cancel(sell(line, make_sale(stock=1), buyer("ann"))[buyer("ann")])

    answer = ann.get(f"/api/orders/{order.number}/")

    assert (answer.status_code, answer["Cache-Control"], answer.json()) == (200, "no-store", expected(order))
    assert answer.json()["status_changed_at"] is not None


def test_a_user_without_orders_has_an_empty_list(log_in: LogIn) -> None:
    assert log_in("ann").get("/api/orders/").json() == []


@pytest.mark.parametrize("action", ["", "pay", "cancel"])
def test_somebody_elses_order_does_not_exist(log_in: LogIn, make_sale: MakeSale, line: Line, action: str) -> None:
    log_in("ann")
    ben = log_in("ben")
    sale = make_sale(stock=1)
    order = sell(line, sale, buyer("ann"))[buyer("ann")]
    address = f"/api/orders/{order.number}/{action}"

    answers = [
        (ben.post(address, content_type="application/json") if action else ben.get(address)),
        (
            Client().post(address, headers=bearer(sale, buyer("ben")))
            if action
            else Client().get(address, headers=bearer(sale, buyer("ben")))
        ),
    ]

    for answer in answers:
        assert problem(answer, 404, "not_found") == problem(ben.get("/api/orders/0000-0000-0000/"), 404, "not_found")
    assert ben.get("/api/orders/").json() == []
    assert (Order.objects.get().status, sold(sale)) == ("pending", 1)


@pytest.mark.parametrize("action", ["", "pay", "cancel"])
def test_a_pass_shows_the_orders_of_its_sale_only(client: Client, make_sale: MakeSale, line: Line, action: str) -> None:
    kettles, lamps = make_sale(stock=1), make_sale(stock=1)
    kettle, lamp = sell(line, kettles, "ann")["ann"], sell(line, lamps, "ann")["ann"]
    headers = bearer(kettles, "ann")

    assert client.get("/api/orders/", headers=headers).json() == [expected(kettle)]
    assert client.get(f"/api/orders/{kettle.number}/", headers=headers).json() == expected(kettle)

    address = f"/api/orders/{lamp.number}/{action}"
    problem(client.post(address, headers=headers) if action else client.get(address, headers=headers), 404, "not_found")
    assert Order.objects.get(pk=lamp.pk).status == "pending"


def test_a_pass_goes_before_the_session(log_in: LogIn, make_sale: MakeSale, line: Line) -> None:
    ann = log_in("ann")
    sale = make_sale(stock=2)
    orders = sell(line, sale, buyer("ann"), "zoe")

    assert ann.get("/api/orders/", headers=bearer(sale, "zoe")).json() == [expected(orders["zoe"])]
    problem(ann.get("/api/orders/", headers={"Authorization": "Bearer nonsense"}), 401, "bad_pass")


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("action", ["", "0000-0000-0000/", "0000-0000-0000/pay", "0000-0000-0000/cancel"])
def test_who_is_nobody_has_no_orders(client: Client, method: str, action: str) -> None:
    answer = getattr(client, method)(f"/api/orders/{action}")

    problem(answer, 401, "not_logged_in")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_an_expired_pass_shows_nothing(client: Client, make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    sell(line, sale, "ann")

    problem(client.get("/api/orders/", headers=bearer(sale, "ann", valid_seconds=-1)), 401, "bad_pass")


@pytest.mark.parametrize(
    "number",
    [
        "0000-0000-0000",
        "x",
        "1' OR '1'='1",
        "ÄÖÜ-ẞ",
        "7k2q-m9xd-4tpa" * 30,
        "%00",
        "a%00b",
        "%2e%2e%2f",
        "%F0%9F%AA%99",
    ],
)
@pytest.mark.parametrize("action", ["", "pay", "cancel"])
def test_a_made_up_number_is_not_found(client: Client, make_sale: MakeSale, number: str, action: str) -> None:
    sale = make_sale()
    address, headers = f"/api/orders/{number}/{action}", bearer(sale, "ann")

    answer = client.post(address, headers=headers) if action else client.get(address, headers=headers)

    problem(answer, 404, "not_found")


@pytest.mark.parametrize("again", [1, 2])
def test_paying(log_in: LogIn, make_sale: MakeSale, line: Line, again: int) -> None:
    ann = log_in("ann")
    sale = make_sale(stock=1)
    order = sell(line, sale, buyer("ann"))[buyer("ann")]

    answers = [ann.post(f"/api/orders/{order.number}/pay", content_type="application/json") for _ in range(again)]

    order.refresh_from_db()
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, expected(order))] * again
    assert (order.status, sold(sale)) == ("paid", 1)


@pytest.mark.parametrize("again", [1, 2])
def test_cancelling(log_in: LogIn, make_sale: MakeSale, line: Line, again: int) -> None:
    ann = log_in("ann")
    sale = make_sale(stock=1)
    order = sell(line, sale, buyer("ann"))[buyer("ann")]

    answers = [ann.post(f"/api/orders/{order.number}/cancel", content_type="application/json") for _ in range(again)]

    order.refresh_from_db()
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, expected(order))] * again
    assert (order.status, sold(sale)) == ("cancelled", 0)


def test_a_decided_order_stays_as_it_is_and_says_what_it_is(client: Client, make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    orders = sell(line, sale, "ann", "ben", "cleo")
    pay(orders["ann"])
    cancel(orders["ben"])
    Order.objects.filter(buyer="cleo").update(pay_before=timezone.now() - timedelta(seconds=1))

    def tell(name: str, action: str) -> str:
        answer = client.post(f"/api/orders/{orders[name].number}/{action}", headers=bearer(sale, name))
        return str(problem(answer, 409, "order_decided")["order_status"])

    assert tell("ann", "cancel") == "paid"
    assert tell("ben", "pay") == "cancelled"
    assert tell("cleo", "pay") == "pending"  # overdue, although no sweep has run yet
    assert expire_overdue_orders() == 1
    assert (tell("cleo", "pay"), tell("cleo", "cancel")) == ("expired", "expired")
    assert dict(Order.objects.values_list("buyer", "status")) == {"ann": "paid", "ben": "cancelled", "cleo": "expired"}
    assert sold(sale) == 1


def test_looking_changes_nothing(client: Client, make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    order = sell(line, sale, "ann")["ann"]

    for action in ("pay", "cancel"):
        answer = client.get(f"/api/orders/{order.number}/{action}", headers=bearer(sale, "ann"))
        problem(answer, 405, "method_not_allowed")

    assert Order.objects.get().status == "pending"


@pytest.mark.parametrize("orders", [0, 1, 6])
def test_the_list_costs_the_same_few_queries_however_long(
    log_in: LogIn, make_sale: MakeSale, line: Line, django_assert_num_queries: DjangoAssertNumQueries, orders: int
) -> None:
    ann = log_in("ann")
    for _ in range(orders):
        sell(line, make_sale(stock=1), buyer("ann"))

    with django_assert_num_queries(3):  # session, user, orders
        assert len(ann.get("/api/orders/").json()) == orders

    headers = bearer(make_sale(), buyer("ann"))
    with django_assert_num_queries(1):  # a pass is verified without queries
        assert Client().get("/api/orders/", headers=headers).json() == []


def test_the_list_is_a_hundred_orders_long_at_most(make_sale: MakeSale, log_in: LogIn) -> None:
    ann = log_in("ann")
    product = make_sale(publish=False).product
    now = timezone.now()
    sales = Sale.objects.bulk_create(
        Sale(product=product, price=1, stock=1, opens_at=now, closes_at=now + timedelta(hours=1)) for _ in range(103)
    )
    Order.objects.bulk_create(
        Order(sale=sale, buyer=buyer("ann"), place=1, price=1, currency="USD", created_at=now, pay_before=now)
        for sale in sales
    )

    assert len(ann.get("/api/orders/").json()) == 100


@pytest.mark.usefixtures("_database_is_away")
def test_while_the_ledger_is_away_an_order_is_out_of_reach_but_not_gone(client: Client) -> None:
    sale = Sale(pk=815, opens_at=timezone.now())

    answer = client.get("/api/orders/0000-0000-0000/", headers=bearer(sale, "ann"))

    problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "2"
