"""The login cookie: set when the session was read anyway, and revoked with the session or the account."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from msgspec.structs import replace
from pytest_django import DjangoAssertNumQueries, Settings

from seckill.accounts import changes as account_changes
from seckill.accounts.changes import AccountKeepsChangingError, publish_auth_hash
from seckill.accounts.keys import LOGIN_KEYS
from seckill.accounts.login_commands import find_revoked, set_auth_hash
from seckill.accounts.login_cookie import LoginCookieMiddleware, auth_hash_of
from seckill.accounts.logins import Login, login_id_of
from seckill.accounts.models import User
from seckill.line.command import Command
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.web.conftest import PASSWORD, LogIn
from tests.web.responses import Answer, bearer, problem

if TYPE_CHECKING:
    from http.cookies import Morsel

# Account changes are published on commit, so these tests commit.
pytestmark = pytest.mark.django_db(transaction=True)

HALF_AN_HOUR_MS = 1_800_000


def send(browser: Client, action: str, **body: object) -> Answer:
    """POST JSON to an account URL."""
    return browser.post(f"/api/auth/{action}", body, content_type="application/json")


def login_of(browser: Client) -> Login:
    """Return the login in the client's cookie."""
    return Login.verify(browser.cookies["buyer"].value)


def cookie_set_by(browser: Client, address: str) -> "Morsel[str] | None":
    """Return the response's login cookie, None when it sets none."""
    answer = browser.get(address)
    found: Morsel[str] | None = answer.cookies.get("buyer")
    return found


def is_void(line: Line, login: Login) -> bool:
    """Return whether the login is revoked in Redis."""
    return line.run(find_revoked([login])) == [True]


def known(line: Line) -> dict[str, str]:
    """Return everything Redis stores about revoked sessions and changed accounts."""
    return cast("dict[str, str]", line.client.hgetall(LOGIN_KEYS.revocations))


@pytest.fixture
def admin() -> User:
    """A superuser."""
    return User.objects.create_superuser("olga", password=PASSWORD)


# --- when it is set -------------------------------------------------------------------------------------------------


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


# --- when it is not set ---------------------------------------------------------------------------------------------


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


# --- revoked with the session ---------------------------------------------------------------------------------------


def test_logging_out_deletes_it_and_makes_copies_of_it_void(log_in: LogIn, line: Line) -> None:
    ann, phone = log_in("ann"), Client()
    send(phone, "login", username="ann", password=PASSWORD)
    copy = login_of(ann)

    answer = send(ann, "logout")

    assert answer.status_code == 204
    assert (ann.cookies["buyer"].value, ann.cookies["buyer"]["max-age"]) == ("", 0)
    assert is_void(line, copy)
    assert is_void(line, replace(copy, issued_ms=copy.issued_ms + 5000))  # a late response may set this cookie
    assert not is_void(line, login_of(phone))  # another session of the same account
    assert known(line) == {copy.login_id: ""}


def test_logging_in_again_is_another_login(log_in: LogIn, line: Line) -> None:
    ann = log_in("ann")
    first = login_of(ann)
    send(ann, "logout")

    send(ann, "login", username="ann", password=PASSWORD)

    second = login_of(ann)
    assert (second.login_id == first.login_id, is_void(line, first), is_void(line, second)) == (False, True, False)


def test_logging_in_as_somebody_else_ends_the_login_that_was_there(log_in: LogIn, line: Line) -> None:
    log_in("ben")
    browser = log_in("ann")
    ann = login_of(browser)

    send(browser, "login", username="ben", password=PASSWORD)

    ben = login_of(browser)
    assert (ben.username, ben.belongs_to(browser.cookies["sessionid"].value)) == ("ben", True)
    assert (is_void(line, ann), is_void(line, ben)) == (True, False)
    assert not ann.belongs_to(browser.cookies["sessionid"].value)


def test_a_session_that_is_gone_takes_its_cookie_along(log_in: LogIn) -> None:
    ann = log_in("ann")
    Session.objects.all().delete()

    problem(ann.get("/api/auth/me"), 401, "not_logged_in")

    assert (ann.cookies["buyer"].value, ann.cookies["buyer"]["max-age"]) == ("", 0)


def test_logging_out_twice_and_a_session_that_never_was_end_nothing(client: Client, line: Line) -> None:
    client.cookies["sessionid"] = "0q8vb2m6x1d4c7z9a3s5f6g7h8j9k0l1"
    client.cookies["buyer"] = "left from before"

    for _ in range(2):
        assert send(client, "logout").status_code == 204

    assert client.cookies["buyer"].value == ""
    assert known(line) == {}


def test_a_request_without_the_csrf_token_costs_nobody_their_cookie(log_in: LogIn, make_sale: MakeSale) -> None:
    address = f"/api/sales/{make_sale().pk}/pass"
    ann = Client(enforce_csrf_checks=True)
    ann.cookies = log_in("ann").cookies
    held = login_of(ann)

    problem(ann.post(address, content_type="application/json"), 403, "forbidden")

    assert login_of(ann) == held


@pytest.mark.usefixtures("_redis_is_away")
def test_while_redis_is_away_people_log_out_all_the_same(log_in: LogIn, caplog: pytest.LogCaptureFixture) -> None:
    ann = log_in("ann")

    assert send(ann, "logout").status_code == 204

    assert (ann.cookies["buyer"].value, Session.objects.count()) == ("", 0)
    assert [record.levelname for record in caplog.records if "login_not_revoked" in record.getMessage()] == ["ERROR"]


# --- revoked with the account ---------------------------------------------------------------------------------------


def test_a_new_password_ends_the_logins_of_before(log_in: LogIn, line: Line) -> None:
    ann, ben = login_of(log_in("ann")), login_of(log_in("ben"))
    user = User.objects.get(username="ann")
    user.set_password("seven-odd-lamps")
    user.save()

    assert (is_void(line, ann), is_void(line, ben)) == (True, False)
    again = Client()
    send(again, "login", username="ann", password="seven-odd-lamps")
    assert not is_void(line, login_of(again))


def test_who_changes_their_own_password_stays_logged_in_and_their_phone_does_not(
    client: Client, admin: User, line: Line
) -> None:
    phone = Client()
    for browser in (client, phone):
        send(browser, "login", username=admin.username, password=PASSWORD)
    before = login_of(client)

    answer = client.post(
        "/admin/password_change/",
        {"old_password": PASSWORD, "new_password1": "seven-odd-lamps", "new_password2": "seven-odd-lamps"},
    )

    assert answer.status_code == 302
    now = login_of(client)
    assert now.belongs_to(client.cookies["sessionid"].value)
    assert [is_void(line, login) for login in (before, login_of(phone), now)] == [True, True, False]
    assert client.get("/api/auth/me").json() == {"username": "olga"}
    problem(phone.get("/api/auth/me"), 401, "not_logged_in")


def test_a_closed_account_has_no_valid_login_and_opened_again_it_has(log_in: LogIn, line: Line) -> None:
    ann = login_of(log_in("ann"))
    user = User.objects.get()

    user.is_active = False
    user.save(update_fields=["is_active"])
    assert (is_void(line, ann), known(line)) == (True, {ann.buyer: ""})

    user.is_active = True
    user.save()
    assert not is_void(line, ann)  # its session is valid again, too


@pytest.mark.parametrize("how", ["one", "several"])
def test_a_deleted_account_has_no_valid_login(log_in: LogIn, line: Line, how: str) -> None:
    ann, ben = login_of(log_in("ann")), login_of(log_in("ben"))

    (User.objects.get(username="ann") if how == "one" else User.objects.filter(username="ann")).delete()

    assert (is_void(line, ann), is_void(line, ben)) == (True, False)


def test_a_new_name_ends_the_logins_that_tell_the_old_one(log_in: LogIn, line: Line) -> None:
    browser = log_in("ann")
    old = login_of(browser)
    user = User.objects.get()
    user.username = "annie"
    user.save()

    assert browser.get("/api/auth/me").json() == {"username": "annie"}

    assert (is_void(line, old), is_void(line, login_of(browser))) == (True, False)
    assert login_of(browser).username == "annie"


def test_what_else_changes_about_an_account_ends_nothing(log_in: LogIn, line: Line) -> None:
    ann = login_of(log_in("ann"))
    assert known(line) == {}  # neither a new account nor a changed last_login is published
    user = User.objects.get()
    user.first_name = "Ann"
    user.is_staff = True
    user.save()
    user.save(update_fields=["email", "last_login"])

    assert not is_void(line, ann)


def test_a_change_that_is_taken_back_ends_nothing(log_in: LogIn, line: Line) -> None:
    ann = login_of(log_in("ann"))
    user = User.objects.get()

    with transaction.atomic():
        user.is_active = False
        user.save()
        assert known(line) == {}  # nor is a change before its commit
        transaction.set_rollback(True)

    assert known(line) == {}
    assert not is_void(line, ann)


def test_an_answer_that_was_under_way_while_the_password_changed_brings_a_void_one(log_in: LogIn, line: Line) -> None:
    log_in("ann")
    seen_before = User.objects.get()
    user = User.objects.get()
    user.set_password("seven-odd-lamps")
    user.save()

    assert is_void(line, Login(user.buyer_id, "some-login", auth_hash_of(seen_before), 9_999_999_999_999, "ann"))
    assert not is_void(line, Login(user.buyer_id, "some-login", auth_hash_of(user), 0, "ann"))


@contextmanager
def changing_meanwhile(monkeypatch: pytest.MonkeyPatch, line: Line, names: Iterator[str]) -> Iterator[list[str]]:
    """Let another change commit before the line publishes one; yield the auth hashes in published order."""
    told: list[str] = []

    class Meanwhile:
        def run(self, command: Command[int]) -> int:
            name = next(names, None)
            if name is not None:
                User.objects.update(username=name)
                line.run(set_auth_hash(str(command.args[0]), auth_hash_of(User.objects.get())))
            told.append(str(command.args[1]))
            return line.run(command)

    with monkeypatch.context() as patch:
        patch.setattr(account_changes, "get_line", Meanwhile)
        yield told


def test_of_two_changes_at_a_time_the_later_one_holds_though_it_was_told_first(
    log_in: LogIn, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in("ann")
    user = User.objects.get()
    first = auth_hash_of(user)

    with changing_meanwhile(monkeypatch, line, iter(["annie"])) as told:
        publish_auth_hash(user.buyer_id)

    last = auth_hash_of(User.objects.get())
    assert told == [first, last]
    assert known(line) == {user.buyer_id: last}


def test_an_account_that_never_rests_is_given_up(log_in: LogIn, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in("ann")
    user = User.objects.get()
    names = [f"ann-{number}" for number in range(9)]

    with (
        changing_meanwhile(monkeypatch, line, iter(names)) as told,
        pytest.raises(AccountKeepsChangingError, match=user.buyer_id),
    ):
        publish_auth_hash(user.buyer_id)

    assert len(told) == account_changes.ATTEMPTS_MAX == 5


@pytest.mark.usefixtures("_redis_is_away")
def test_while_redis_is_away_accounts_are_changed_all_the_same(log_in: LogIn, caplog: pytest.LogCaptureFixture) -> None:
    log_in("ann")
    user = User.objects.get()
    user.set_password("seven-odd-lamps")

    user.save()

    assert User.objects.get().check_password("seven-odd-lamps")
    assert [record.levelname for record in caplog.records if "auth_hash_not_published" in record.getMessage()] == [
        "ERROR"
    ]


def test_a_mark_tells_the_three_things_apart_that_matter(log_in: LogIn) -> None:
    log_in("ann")
    user = User.objects.get()
    marks = {auth_hash_of(user)}
    user.username = "annie"
    marks.add(auth_hash_of(user))
    user.password = "another"
    marks.add(auth_hash_of(user))
    user.email = "ann@shop.example"
    marks.add(auth_hash_of(user))

    assert {len(auth_hash) for auth_hash in marks} == {16}
    assert len(marks) == 3
    user.is_active = False
    assert auth_hash_of(user) == auth_hash_of(None) == ""
