"""Accounts: register, log in, log out, current user."""

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from seckill.accounts.models import User
from tests.web.conftest import PASSWORD, LogIn
from tests.web.responses import Answer, problem

pytestmark = pytest.mark.django_db


def send(browser: Client, action: str, **body: object) -> Answer:
    """POST JSON to an account URL."""
    return browser.post(f"/api/auth/{action}", body, content_type="application/json")


def test_who_registers_is_logged_in(client: Client) -> None:
    answer = send(client, "register", username="ann", password=PASSWORD)

    assert (answer.status_code, answer.json()) == (201, {"username": "ann"})
    assert (client.get("/api/auth/me").status_code, client.get("/api/auth/me").json()) == (200, {"username": "ann"})
    assert client.get("/api/auth/me")["Cache-Control"] == "no-store"
    user = User.objects.get()
    assert (user.username, user.is_staff, user.is_superuser, user.check_password(PASSWORD)) == (
        "ann",
        False,
        False,
        True,
    )


def test_nobody_makes_themselves_staff_by_asking(client: Client) -> None:
    send(client, "register", username="mallory", password=PASSWORD, is_staff=True, is_superuser=True)

    user = User.objects.get()
    assert (user.is_staff, user.is_superuser) == (False, False)


def test_the_password_is_never_shown(client: Client) -> None:
    answers = [
        send(client, "register", username="ann", password=PASSWORD),
        send(client, "login", username="ann", password=PASSWORD),
        client.get("/api/auth/me"),
    ]

    assert [list(answer.json()) for answer in answers] == [["username"]] * 3


@pytest.mark.parametrize("again", ["ann", "ANN", "Ann"])
def test_a_name_is_given_once_in_whatever_case(client: Client, log_in: LogIn, again: str) -> None:
    log_in("ann")

    document = problem(send(client, "register", username=again, password=PASSWORD), 400, "invalid")

    assert document["errors"] == {"username": ["This name is already in use."]}
    assert list(User.objects.values_list("username", flat=True)) == ["ann"]
    assert problem(client.get("/api/auth/me"), 401, "not_logged_in")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": "ann", "password": "short"}, "password"),
        ({"username": "ann", "password": "password"}, "password"),
        ({"username": "kettle-collector", "password": "kettle-collector"}, "password"),
        ({"username": "ann"}, "password"),
        ({"username": "ann", "password": ""}, "password"),
        ({"username": "ann", "password": 7 * ["x"]}, "password"),
        ({"username": "an n", "password": PASSWORD}, "username"),
        ({"username": "a\u0000n", "password": PASSWORD}, "username"),
        ({"username": "a" * 151, "password": PASSWORD}, "username"),
        ({"username": "", "password": PASSWORD}, "username"),
        ({"password": PASSWORD}, "username"),
        ({"username": None, "password": PASSWORD}, "username"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(client: Client, body: dict[str, object], field: str) -> None:
    document = problem(send(client, "register", **body), 400, "invalid")

    assert list(document["errors"]) == [field]
    assert all(isinstance(text, str) and text for text in document["errors"][field])
    assert User.objects.count() == 0


def test_every_weakness_of_a_password_is_listed(client: Client) -> None:
    document = problem(send(client, "register", username="kettle", password="kettle"), 400, "invalid")

    assert document["errors"]["password"] == [
        "The password is too similar to the username.",
        "This password is too short. It must contain at least 8 characters.",
    ]


def test_spaces_belong_to_a_password(client: Client, log_in: LogIn) -> None:
    send(client, "register", username="ann", password=f" {PASSWORD} ")
    other = log_in("ben")
    send(other, "logout")

    problem(send(other, "login", username="ann", password=PASSWORD), 401, "bad_credentials")
    assert send(other, "login", username="ann", password=f" {PASSWORD} ").status_code == 200


def test_log_in_and_out_again(client: Client, log_in: LogIn) -> None:
    log_in("ann")

    answer = send(client, "login", username="ann", password=PASSWORD)
    assert (answer.status_code, answer.json()) == (200, {"username": "ann"})
    assert client.get("/api/auth/me").json() == {"username": "ann"}

    answer = send(client, "logout")
    assert (answer.status_code, answer.content) == (204, b"")
    problem(client.get("/api/auth/me"), 401, "not_logged_in")
    assert send(client, "logout").status_code == 204  # also without a session


@pytest.mark.parametrize(("username", "password"), [("ann", "seven-odd-lamps"), ("zoe", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_look_the_same(
    client: Client, log_in: LogIn, username: str, password: str
) -> None:
    log_in("ann")

    document = problem(send(client, "login", username=username, password=password), 401, "bad_credentials")

    assert document == {
        "type": "urn:seckill:problem:bad_credentials",
        "title": "Wrong user name or password",
        "status": 401,
        "code": "bad_credentials",
    }
    assert "sessionid" not in client.cookies
    problem(client.get("/api/auth/me"), 401, "not_logged_in")


def test_an_account_that_was_closed_can_not_log_in(client: Client, log_in: LogIn) -> None:
    browser = log_in("ann")
    User.objects.update(is_active=False)

    problem(send(client, "login", username="ann", password=PASSWORD), 401, "bad_credentials")
    problem(browser.get("/api/auth/me"), 401, "not_logged_in")


def test_a_session_gets_a_new_key_at_login(client: Client, log_in: LogIn) -> None:
    log_in("ann")
    send(client, "login", username="ann", password=PASSWORD)
    first = client.cookies["sessionid"].value
    send(client, "logout")
    assert not Session.objects.filter(session_key=first).exists()

    send(client, "login", username="ann", password=PASSWORD)

    assert client.cookies["sessionid"].value != first


def test_the_session_cookie_is_out_of_reach_for_scripts(client: Client) -> None:
    send(client, "register", username="ann", password=PASSWORD)

    cookie = client.cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


@pytest.mark.parametrize("action", ["register", "login"])
def test_a_form_of_another_site_can_neither_register_nor_log_in(client: Client, log_in: LogIn, action: str) -> None:
    log_in("ann")
    name = {"register": "ben", "login": "ann"}[action]

    document = problem(
        client.post(f"/api/auth/{action}", {"username": name, "password": PASSWORD}), 415, "unsupported_media_type"
    )

    assert "multipart/form-data" in document["detail"]
    for media_type in ("application/x-www-form-urlencoded", "text/plain"):
        body = f'{{"username": "{name}", "password": "{PASSWORD}"}}'
        problem(client.post(f"/api/auth/{action}", body, content_type=media_type), 415, "unsupported_media_type")
    assert "sessionid" not in client.cookies
    assert User.objects.count() == 1


@pytest.mark.parametrize("action", ["register", "login"])
def test_what_is_no_json_object_is_refused(client: Client, action: str) -> None:
    problem(client.post(f"/api/auth/{action}", "{", content_type="application/json"), 400, "bad_request")
    document = problem(client.post(f"/api/auth/{action}", "[1]", content_type="application/json"), 400, "invalid")
    assert list(document["errors"]) == ["non_field_errors"]


def test_after_too_many_tries_a_visitor_has_to_wait(
    client: Client, log_in: LogIn, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "login", "2/day")
    log_in("ann")
    for _ in range(2):
        problem(send(client, "login", username="ann", password="guessing-1"), 401, "bad_credentials")

    answer = send(client, "login", username="ann", password=PASSWORD)

    problem(answer, 429, "throttled")
    assert 86_300 < int(answer["Retry-After"]) <= 86_401
    assert "sessionid" not in client.cookies
    forged = client.post(
        "/api/auth/login", {"username": "ann", "password": PASSWORD}, content_type="application/json",
        headers={"X-Forwarded-For": "203.0.113.57"},
    )  # fmt: skip
    problem(forged, 429, "throttled")  # no trusted proxy is configured, so the header is ignored
    other = Client(REMOTE_ADDR="192.0.2.7")
    assert send(other, "login", username="ann", password=PASSWORD).status_code == 200


def test_an_address_can_not_register_without_end(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "register", "3/day")
    for name in ("ann", "ben", "cleo"):
        assert send(Client(), "register", username=name, password=PASSWORD).status_code == 201

    answer = send(client, "register", username="dan", password=PASSWORD)

    problem(answer, 429, "throttled")
    assert 86_300 < int(answer["Retry-After"]) <= 86_401
    assert list(User.objects.order_by("id").values_list("username", flat=True)) == ["ann", "ben", "cleo"]


@pytest.mark.usefixtures("_cache_is_away")
@pytest.mark.parametrize("action", ["register", "login"])
def test_while_the_cache_is_away_nobody_gets_in_uncounted(client: Client, action: str) -> None:
    answer = send(client, action, username="ann", password=PASSWORD)

    problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "2"
    assert User.objects.count() == 0
