"""503: browsers get a page that retries, API clients a problem, whichever server is unavailable."""

import pytest
from django.test import Client
from pytest_django import Settings

from tests.web.responses import problem

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.usefixtures("_database_is_away")
@pytest.mark.parametrize("address", ["/sales/1/", "/zh-hans/sales/1/"])
def test_a_page_that_needs_the_ledger_says_so_and_tries_again(client: Client, address: str) -> None:
    answer = client.get(address, headers=BROWSER)

    assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (503, "2", "no-store")
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    page = answer.content.decode()
    assert '<meta http-equiv="refresh" content="2">' in page
    assert "If you are in line, your place is kept." in page
    assert "您的排队号会保留" in page


@pytest.mark.usefixtures("_database_is_away")
def test_the_admin_says_so_too(client: Client) -> None:
    client.cookies["sessionid"] = "of-somebody-who-was-logged-in"

    assert client.get("/admin/", headers=BROWSER).status_code == 503
    assert client.post("/admin/login/", {"username": "ann", "password": "x"}, headers=BROWSER).status_code == 503


@pytest.mark.usefixtures("_database_is_away")
def test_a_program_that_requests_a_page_gets_a_problem(client: Client) -> None:
    problem(client.get("/sales/1/"), 503, "unavailable")


@pytest.mark.usefixtures("_database_is_away")
def test_it_says_so_when_the_session_cannot_be_kept(client: Client, settings: Settings) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True  # after the view, where exceptions of views are not caught
    client.cookies["sessionid"] = "of-somebody-who-was-logged-in"
    client.raise_request_exception = False

    assert client.get("/admin/login/", headers=BROWSER).status_code == 503
