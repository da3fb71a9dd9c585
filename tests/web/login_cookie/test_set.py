"""The login cookie: when it is set, and when it is not."""

from typing import TYPE_CHECKING, Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from msgspec.structs import replace
from pytest_django import DjangoAssertNumQueries, Settings

from seckill.accounts.login_cookie import LoginCookieMiddleware, auth_hash_of
from seckill.accounts.logins import Login, login_id_of
from seckill.accounts.models import User
from tests.conftest import MakeSale
from tests.web.conftest import PASSWORD, LogIn
from tests.web.login_cookie.cookie import login_of, send
from tests.web.responses import bearer, problem

if TYPE_CHECKING:
    from http.cookies import Morsel

# Account changes are published on commit, so these tests commit.
pytestmark = pytest.mark.django_db(transaction=True)


HALF_AN_HOUR_MS = 1_800_000


def cookie_set_by(browser: Client, address: str) -> "Morsel[str] | None":
    """Return the response's login cookie, None when it sets none."""
    answer = browser.get(address)
    found: Morsel[str] | None = answer.cookies.get("buyer")
    return found


@pytest.mark.parametrize("action", ["register", "login"])
def test_who_logs_in_gets_it_with_the_same_answer(log_in: LogIn, client: Client, action: str) -> None:
    if action == "login":
        log_in("ann")

    answer = send(client, action, username="ann", password=PASSWORD)

    assert answer.status_code in (200, 201)
    cookie = client.cookies["buyer"]
    attributes = {name: value for name, value in cookie.items() if value and name != "expires"}
    assert attributes == {"httponly": True, "samesite": "Lax", "path": "/", "max-age": 3600}
    user = User.objects.get()
    login = Login.verify(cookie.value)
    assert login == Login(
        buyer=user.buyer_id,
        login_id=login_id_of(client.cookies["sessionid"].value),
        auth_hash=auth_hash_of(user),
        issued_ms=login.issued_ms,
        username="ann",
    )
    assert login.belongs_to(client.cookies["sessionid"].value)
    assert login.is_fresh(login.issued_ms)


def test_behind_tls_it_travels_over_tls_only(log_in: LogIn, settings: Settings) -> None:
    settings.SESSION_COOKIE_SECURE = True

    assert log_in("ann").cookies["buyer"]["secure"] is True


def test_any_name_fits_into_it(log_in: LogIn) -> None:
    name = "王" * 150

    assert login_of(log_in(name)).username == name


def test_who_logs_in_by_the_admin_s_form_gets_it_too(client: Client, admin: User) -> None:
    answer = client.post("/admin/login/", {"username": "olga", "password": PASSWORD, "next": "/admin/"})

    assert answer.status_code == 302
    assert login_of(client).buyer == admin.buyer_id


def test_a_session_without_it_gets_it_as_soon_as_django_looks_at_the_session(log_in: LogIn) -> None:
    ann = log_in("ann")
    before = login_of(ann)
    del ann.cookies["buyer"]

    assert cookie_set_by(ann, "/api/auth/me") is not None

    assert replace(login_of(ann), issued_ms=before.issued_ms) == before
    assert cookie_set_by(ann, "/api/auth/me") is None  # the client has one from here on


@pytest.mark.parametrize(
    ("change", "renewed"),
    [
        ({}, False),
        ({"issued_ms": HALF_AN_HOUR_MS - 60_000}, False),
        ({"issued_ms": HALF_AN_HOUR_MS}, True),
        ({"issued_ms": 2 * HALF_AN_HOUR_MS}, True),
        ({"issued_ms": -120_000}, True),  # issued by a wrong clock
        ({"login_id": "of-another-login"}, True),
        ({"buyer": "u99"}, True),
        ({"auth_hash": "of-before"}, True),
        ({"username": "annie"}, True),
    ],
    ids=str,
)
def test_it_is_renewed_when_half_of_its_time_is_over_or_it_says_something_else(
    log_in: LogIn, change: dict[str, Any], renewed: bool
) -> None:
    ann = log_in("ann")
    right = login_of(ann)
    held = replace(right, **{**change, "issued_ms": right.issued_ms - change.get("issued_ms", 0)})
    ann.cookies["buyer"] = held.sign()

    assert (cookie_set_by(ann, "/api/auth/me") is not None) is renewed

    assert login_of(ann) == (replace(right, issued_ms=login_of(ann).issued_ms) if renewed else held)


@pytest.mark.parametrize("value", ["", "forged", "A" * 2000])
def test_a_forged_one_is_replaced(log_in: LogIn, value: str) -> None:
    ann = log_in("ann")
    ann.cookies["buyer"] = value

    assert ann.get("/api/auth/me").json() == {"username": "ann"}
    assert login_of(ann).username == "ann"


PUBLIC = [
    "/",
    "/zh-hans/",
    "/sales/{}/",
    "/login/",
    "/orders/",
    "/api/banners/",
    "/api/sales/",
    "/api/sales/{}/",
    "/healthz",
]


def is_for_everybody(browser: Client, address: str) -> bool:
    """Return whether a response neither sets a cookie nor varies on any."""
    answer = browser.get(address)
    assert answer.status_code == 200
    return "Set-Cookie" not in answer.headers and not answer.cookies and "Cookie" not in answer.headers.get("Vary", "")


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_the_same_for_everybody_sets_no_cookie_and_varies_on_none(
    log_in: LogIn, make_sale: MakeSale, address: str
) -> None:
    ann, stranger = log_in("ann"), Client()
    address = address.format(make_sale().pk)
    del ann.cookies["buyer"]  # so that any response that may set it would
    stranger.cookies["sessionid"] = "0q8vb2m6x1d4c7z9a3s5f6g7h8j9k0l1"  # a deleted session
    stranger.cookies["buyer"] = "left from before"  # so that any response that may delete it would

    assert is_for_everybody(ann, address)
    assert is_for_everybody(stranger, address)


def test_a_page_asks_the_database_nothing_for_a_visitor_with_cookies(
    log_in: LogIn, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ann = log_in("ann")

    with django_assert_num_queries(0):
        ann.get("/")
    with django_assert_num_queries(2):  # session, account: the same as without the cookie
        ann.get("/api/auth/me")


def test_who_shows_a_pass_gets_none_and_keeps_theirs(log_in: LogIn, make_sale: MakeSale) -> None:
    ann, sale = log_in("ann"), make_sale()

    answer = ann.get("/api/orders/", headers=bearer(sale, "u99"))

    assert (answer.status_code, answer.json(), dict(answer.cookies)) == (200, [], {})


def test_a_stranger_gets_none(client: Client) -> None:
    problem(client.get("/api/auth/me"), 401, "not_logged_in")

    assert dict(client.cookies) == {}


def test_an_answer_that_says_the_server_failed_sets_none(log_in: LogIn, rf: RequestFactory) -> None:
    """Django does not save the session of a 5xx response either."""
    ann = log_in("ann")

    def broken(status: int) -> HttpResponse:
        def view(request: HttpRequest) -> HttpResponse:
            request.user = User.objects.get(pk=request.session["_auth_user_id"])
            return HttpResponse(status=status)

        request = rf.get("/")
        request.COOKIES["sessionid"] = ann.cookies["sessionid"].value
        response: HttpResponse = LoginCookieMiddleware(view)(request)  # type: ignore[assignment]  # not a coroutine
        return response

    assert "buyer" in broken(404).cookies
    assert dict(broken(500).cookies) == {}
