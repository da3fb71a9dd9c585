"""The login cookie: revoked with the session."""

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from msgspec.structs import replace

from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.web.conftest import PASSWORD, LogIn
from tests.web.login_cookie.cookie import is_void, known, login_of, send
from tests.web.responses import problem

# Account changes are published on commit, so these tests commit.
pytestmark = pytest.mark.django_db(transaction=True)


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
    cache.clear()  # the copies, which last for a minute

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
