"""The OpenAPI document: the whole contract with the gate's routes, and a self-hosted page that shows it."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.urls import URLPattern
from django.utils.html import escape
from drf_spectacular.validation import validate_schema
from drf_spectacular.views import SpectacularAPIView
from pytest_django import Settings

from seckill.api.schema import CachedGenerator
from seckill.api.urls import urlpatterns
from seckill.errors.problems import Problem
from seckill.line.state import State

HTTP_METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def document(client: Client) -> dict[str, Any]:
    answer = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert answer.status_code == 200
    schema: dict[str, Any] = answer.json()
    return schema


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every operation by its operationId."""
    return {
        operation["operationId"]: operation | {"call": f"{method.upper()} {path}"}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in HTTP_METHODS
    }


def test_the_document_is_made_without_a_warning_and_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "schema.yml"

    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))

    assert file.read_text().startswith("openapi: 3.1")


def test_of_those_who_ask_at_once_one_has_the_document_made(
    rf: RequestFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CachedGenerator, "_made", {})
    view = SpectacularAPIView.as_view()

    with ThreadPoolExecutor(8) as threads:
        documents = list(threads.map(lambda _: view(rf.get("/api/schema/")).data, range(8)))

    assert len({id(document) for document in documents}) == 1


def test_every_call_is_described(document: dict[str, Any]) -> None:
    assert {name: operation["call"] for name, operation in operations(document).items()} == {
        "register": "POST /api/auth/register",
        "login": "POST /api/auth/login",
        "logout": "POST /api/auth/logout",
        "me": "GET /api/auth/me",
        "banners": "GET /api/banners/",
        "sales": "GET /api/sales/",
        "sale": "GET /api/sales/{sale_id}/",
        "issue_pass": "POST /api/sales/{sale_id}/pass",
        "purchase": "POST /api/sales/{sale_id}/purchase",
        "purchase_sync": "POST /api/sales/{sale_id}/purchase/sync",
        "progress": "GET /api/sales/{sale_id}/progress",
        "ticket": "GET /api/tickets/{ticket}",
        "orders": "GET /api/orders/",
        "order": "GET /api/orders/{number}/",
        "pay": "POST /api/orders/{number}/pay",
        "cancel": "POST /api/orders/{number}/cancel",
        "export_orders": "POST /api/exports/",
        "export": "GET /api/exports/{export_id}/",
        "cancel_export": "DELETE /api/exports/{export_id}/",
        "export_file": "GET /api/exports/{export_id}/file",
        "schedules": "GET /api/schedules/",
        "make_schedule": "POST /api/schedules/",
        "schedule": "GET /api/schedules/{schedule_id}/",
        "change_schedule": "PATCH /api/schedules/{schedule_id}/",
        "delete_schedule": "DELETE /api/schedules/{schedule_id}/",
    }


def test_no_address_of_the_api_is_left_out(document: dict[str, Any]) -> None:
    routes = {
        "/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        for pattern in urlpatterns
        if isinstance(pattern, URLPattern) and str(pattern.pattern)
    }
    gate = {"/api/sales/{sale_id}/purchase", "/api/sales/{sale_id}/progress", "/api/tickets/{ticket}"}

    assert set(document["paths"]) == routes | gate


def test_who_may_call_what(document: dict[str, Any]) -> None:
    security = {
        name: sorted(scheme for way in operation.get("security", []) for scheme in way)
        for name, operation in operations(document).items()
    }

    assert {name for name, ways in security.items() if ways == []} == {
        "register", "login", "banners", "sales", "sale", "progress", "ticket",
    }  # fmt: skip
    assert {name for name, ways in security.items() if ways == ["pass"]} == {"purchase", "purchase_sync"}
    assert {name for name, ways in security.items() if ways == ["session"]} == {
        "me", "logout", "issue_pass", "export_orders", "export", "cancel_export", "export_file",
        "schedules", "make_schedule", "schedule", "change_schedule", "delete_schedule",
    }  # fmt: skip
    assert {name for name, ways in security.items() if ways == ["pass", "session"]} == {
        "orders", "order", "pay", "cancel",
    }  # fmt: skip
    schemes = document["components"]["securitySchemes"]
    assert (schemes["pass"]["type"], schemes["pass"]["scheme"]) == ("http", "bearer")
    assert (schemes["session"]["in"], schemes["session"]["name"]) == ("cookie", "sessionid")


def test_a_purchase_returns_a_ticket_or_a_problem(document: dict[str, Any]) -> None:
    responses = operations(document)["purchase"]["responses"]

    assert sorted(responses) == [
        "202", "400", "401", "403", "404", "405", "408", "409", "413", "414", "431", "500", "503",
    ]  # fmt: skip
    assert sorted(responses["202"]["headers"]) == ["Location", "Retry-After"]
    for code, status in (("bad_pass", "401"), ("not_open", "403"), ("paused", "403"), ("closed", "403"),
                         ("request_timeout", "408"), ("sold_out", "409"), ("url_too_long", "414"),
                         ("headers_too_large", "431"), ("recovering", "503"), ("unavailable", "503")):  # fmt: skip
        assert f"`{code}`" in responses[status]["description"]


def test_a_ticket_has_one_of_five_statuses(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert sorted(schemas["Ticket"]["discriminator"]["mapping"]) == [
        "confirmed", "queued", "released", "sold_out", "waitlisted",
    ]  # fmt: skip
    for status, reference in schemas["Ticket"]["discriminator"]["mapping"].items():
        assert schemas[reference.rsplit("/", 1)[1]]["properties"]["status"]["enum"] == [status]
    assert schemas["Progress"]["properties"]["state"] == {"$ref": "#/components/schemas/State"}
    assert schemas["State"]["enum"] == sorted(state.value for state in State)


def test_every_operation_may_return_a_problem(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        media_types = {
            media_type
            for status, response in operation["responses"].items()
            if status == "default" or int(status) >= 400
            for media_type in response["content"]
        }
        assert media_types == {"application/problem+json"}
    assert document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == [kind.code for kind in Problem]


def test_the_document_served_is_valid(document: dict[str, Any]) -> None:
    validate_schema(document)  # type: ignore[no-untyped-call]  # the library's own is untyped
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references <= set(document["components"]["schemas"])


def test_the_page_loads_nothing_from_elsewhere(client: Client, settings: Settings) -> None:
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }

    answer = client.get("/api/docs/")

    page = answer.content.decode()
    assert answer.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(loaded) == 4  # favicon, style and two scripts
    for address in loaded:
        assert address.startswith("/static/")
        assert finders.find(address.removeprefix("/static/"))
    assert "//" not in re.sub(r"https?://(?:testserver|localhost)", "", "".join(re.findall(r'url: "([^"]+)"', page)))
    assert escape("/api/schema/") in page
