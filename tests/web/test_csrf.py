"""CSRF: only our own pages may request changes with a session."""

import pytest
from django.test import Client

from orders.models import Order
from seckill.accounts.models import User
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import sell
from tests.web.conftest import PASSWORD
from tests.web.responses import Answer, bearer, problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def strict() -> Client:
    """A client of a registered user with CSRF checks; its user is ``ann``."""
    browser = Client(enforce_csrf_checks=True)
    answer = browser.post(
        "/api/auth/register", {"username": "ann", "password": PASSWORD}, content_type="application/json"
    )
    assert answer.status_code == 201  # login needs no token: another site's form cannot send JSON
    return browser


def token(browser: Client) -> dict[str, str]:
    """Return the header our own pages send."""
    return {"X-CSRFToken": browser.cookies["csrftoken"].value}


def send(browser: Client, address: str, headers: dict[str, str] | None = None) -> Answer:
    """POST as our own pages do."""
    return browser.post(address, content_type="application/json", headers=headers)


def own_order(line: Line, make_sale: MakeSale) -> Order:
    """A pending order of the only user, who is the client's."""
    buyer = User.objects.get().buyer_id
    return sell(line, make_sale(stock=1), buyer)[buyer]


def test_a_pass_is_issued_only_with_the_token(strict: Client, make_sale: MakeSale) -> None:
    sale = make_sale()

    document = problem(send(strict, f"/api/sales/{sale.pk}/pass"), 403, "forbidden")
    assert document["detail"].startswith("CSRF Failed")

    assert "pass" in send(strict, f"/api/sales/{sale.pk}/pass", token(strict)).json()


@pytest.mark.parametrize(("action", "after"), [("pay", "paid"), ("cancel", "cancelled")])
def test_an_order_is_changed_only_with_the_token(
    strict: Client, make_sale: MakeSale, line: Line, action: str, after: str
) -> None:
    order = own_order(line, make_sale)

    problem(send(strict, f"/api/orders/{order.number}/{action}"), 403, "forbidden")
    forged = send(strict, f"/api/orders/{order.number}/{action}", {"X-CSRFToken": "x" * 64})
    problem(forged, 403, "forbidden")
    form = strict.post(f"/api/orders/{order.number}/{action}")  # content types another site's form can send
    problem(form, 415, "unsupported_media_type")
    assert (Order.objects.get().status, Order.objects.get().status_changed_at) == ("pending", None)

    assert send(strict, f"/api/orders/{order.number}/{action}", token(strict)).json()["status"] == after


def test_logging_out_needs_the_token(strict: Client) -> None:
    problem(send(strict, "/api/auth/logout"), 403, "forbidden")
    assert strict.get("/api/auth/me").json() == {"username": "ann"}

    assert send(strict, "/api/auth/logout", token(strict)).status_code == 204


@pytest.mark.parametrize(("action", "after"), [("pay", "paid"), ("cancel", "cancelled")])
def test_a_pass_is_proof_enough_by_itself(make_sale: MakeSale, line: Line, action: str, after: str) -> None:
    sale = make_sale(stock=1)
    order = sell(line, sale, "ann")["ann"]

    answer = Client(enforce_csrf_checks=True).post(f"/api/orders/{order.number}/{action}", headers=bearer(sale, "ann"))

    assert (answer.status_code, answer.json()["status"]) == (200, after)


def test_a_purchase_with_a_pass_needs_no_token(strict: Client, make_sale: MakeSale) -> None:
    sale = make_sale(stock=1)

    answer = strict.post(f"/api/sales/{sale.pk}/purchase/sync", headers=bearer(sale, "ann"))

    assert (answer.status_code, answer.json()["place"]) == (201, 1)
