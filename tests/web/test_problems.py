"""Problems: every error of the API is a problem document with a stable code."""

import json

import pytest
from django.core.cache import cache
from django.test import Client

from seckill.catalog.banners import BANNERS_KEY
from seckill.errors.problems import Problem
from tests.conftest import MakeSale
from tests.web.conftest import LogIn
from tests.web.responses import bearer, problem

pytestmark = pytest.mark.django_db

UNKNOWN = [
    "",
    "nothing",
    "sales",
    "sales/1",
    "sales/one/",
    "orders",
    "auth/",
    "auth/login/",
    "tickets/",
    "../admin/",
    "é",
]


@pytest.mark.parametrize("path", UNKNOWN)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "INITIAL"])
def test_an_unknown_address_is_not_found_by_any_method(client: Client, path: str, method: str) -> None:
    answer = client.generic(method, f"/api/{path}", data="{", content_type="application/json")

    problem(answer, 404, "not_found")


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_address_has_no_head_either(client: Client, path: str) -> None:
    answer = client.head(f"/api/{path}")

    assert (answer.status_code, answer["Content-Type"], answer.content) == (404, "application/problem+json", b"")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "auth/register", "POST"),
        ("GET", "auth/login", "POST"),
        ("DELETE", "auth/logout", "POST"),
        ("POST", "auth/me", "GET"),
        ("POST", "banners/", "GET"),
        ("POST", "sales/", "GET"),
        ("PUT", "sales/1/", "GET"),
        ("GET", "sales/1/purchase/sync", "POST"),
        ("BREW", "sales/", "GET"),
    ],
)
def test_a_method_an_address_does_not_take_is_refused_with_those_it_takes(
    client: Client, make_sale: MakeSale, log_in: LogIn, method: str, path: str, allowed: str
) -> None:
    browser = log_in("ann") if path == "auth/me" else client
    headers = bearer(make_sale(publish=False), "ann") if "purchase" in path else {}

    answer = browser.generic(method, f"/api/{path}", headers=headers)

    problem(answer, 405, "method_not_allowed")
    assert allowed in answer["Allow"].split(", ")


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*"])
def test_who_wants_something_else_than_json_is_refused(client: Client, accept: str) -> None:
    problem(client.get("/api/sales/", headers={"Accept": accept}), 406, "not_acceptable")


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("closing", ["", "]"])
def test_json_that_is_nested_too_deeply_is_a_bad_request(client: Client, opening: str, closing: str) -> None:
    body = opening * 150_000 + closing * 150_000

    answer = client.post("/api/auth/login", body, content_type="application/json")

    problem(answer, 400, "bad_request")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/*", "text/html, */*;q=0.1"])
def test_who_takes_json_gets_json(client: Client, accept: str) -> None:
    assert client.get("/api/sales/", headers={"Accept": accept}).json() == []


def test_a_request_of_more_than_a_megabyte_is_not_read(client: Client) -> None:
    for size in (1024 * 1024 + 1, 3_000_000):
        answer = client.post("/api/auth/login", "[" + " " * (size - 2) + "]", content_type="application/json")
        problem(answer, 413, "too_large")

    answer = client.post("/api/auth/login", "[" + " " * (1024 * 1024 - 2) + "]", content_type="application/json")
    problem(answer, 400, "invalid")


def test_an_error_of_our_own_is_a_problem_too_and_gives_nothing_away() -> None:
    cache.set(BANNERS_KEY, {"of": "another version"}, 60)  # an unexpected exception

    answer = Client(raise_request_exception=False).get("/api/banners/")

    assert problem(answer, 500, "internal") == {
        "type": "urn:seckill:problem:internal",
        "title": "Internal server error",
        "status": 500,
        "code": "internal",
    }


@pytest.mark.usefixtures("_database_is_away")
@pytest.mark.parametrize("path", ["sales/", "sales/1/"])
def test_while_the_ledger_is_away_the_api_says_when_to_come_back(client: Client, path: str) -> None:
    answer = client.get(f"/api/{path}")

    problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "2"


def test_the_codes_programs_compare_stay_as_they_are() -> None:
    assert {problem.code: problem.value.status for problem in Problem} == {
        "bad_request": 400, "invalid": 400,
        "bad_pass": 401, "not_logged_in": 401, "bad_credentials": 401,
        "forbidden": 403, "not_open": 403, "paused": 403, "closed": 403,
        "not_found": 404, "method_not_allowed": 405, "not_acceptable": 406, "request_timeout": 408,
        "sold_out": 409, "order_decided": 409, "export_not_done": 409, "too_many_orders": 409, "comes_with_shop": 409,
        "too_large": 413, "url_too_long": 414, "headers_too_large": 431,
        "unsupported_media_type": 415, "too_many_exports": 429, "throttled": 429,
        "internal": 500, "recovering": 503, "unavailable": 503,
    }  # fmt: skip
    assert json.loads(Problem.SOLD_OUT.body("Come earlier.", place=815)) == {
        "type": "urn:seckill:problem:sold_out",
        "title": "Sold out",
        "status": 409,
        "code": "sold_out",
        "detail": "Come earlier.",
        "place": 815,
    }
