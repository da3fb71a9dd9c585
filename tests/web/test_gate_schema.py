"""The gate's responses match the OpenAPI document: every kind of response, over the wire."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from django.test import Client
from jsonschema import Draft202012Validator, ValidationError

from seckill.accounts.logins import Login, login_id_of
from seckill.gate import snapshots
from seckill.line.outcome import Confirmed
from seckill.line.passes import Pass
from seckill.line.tickets import Ticket
from tests.gate.gate_server import GateServer, good_pass, open_gate_server
from tests.gate.wire import Answered
from tests.line.conftest import LoadSale, load_sale
from tests.line.sale_in_line import CANCELLED, HOUR_MS

__all__ = ["load_sale"]

PURCHASE = "/api/sales/{sale_id}/purchase"
TICKET = "/api/tickets/{ticket}"
PROGRESS = "/api/sales/{sale_id}/progress"
PASS = "/api/sales/{sale_id}/pass"
ME = "/api/auth/me"


@pytest.fixture
def document(client: Client) -> dict[str, Any]:
    answer = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})
    schema: dict[str, Any] = answer.json()
    return schema


@pytest_asyncio.fixture
async def gate_server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GateServer]:
    """A gate that reads the line on every request, and estimates the speed from two readings."""
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 0)
    monkeypatch.setattr(snapshots, "RATE_WINDOW_SECONDS", 0)
    async with open_gate_server() as gate_server:
        yield gate_server


def check(document: dict[str, Any], path: str, answer: Answered) -> dict[str, Any]:
    """Validate a response's body. Raises ValidationError, or KeyError when its status is not in the document."""
    (operation,) = document["paths"][path].values()
    responses = operation["responses"]
    described = responses[str(answer.status_code) if str(answer.status_code) in responses else "default"]
    (media_type,) = described["content"]
    assert answer.headers["content-type"] == media_type
    schema = described["content"][media_type]["schema"]
    body: dict[str, Any] = answer.json()
    Draft202012Validator(
        {**schema, "unevaluatedProperties": False, "components": document["components"]},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    ).validate(body)
    assert set(described.get("headers", ())) - {"Retry-After"} <= {name.title() for name in answer.headers}
    return body


async def test_an_accepted_purchase_is_as_described(
    document: dict[str, Any], gate_server: GateServer, load_sale: LoadSale
) -> None:
    load_sale()

    assert check(document, PURCHASE, await gate_server.purchase(7, "olga"))["status"] == "queued"


async def test_every_kind_of_ticket_is_as_described(
    document: dict[str, Any], gate_server: GateServer, load_sale: LoadSale
) -> None:
    sale = load_sale(stock=3)
    sale.admit("olga", "amir", "bea", "carl", "dora")

    async def poll(place: int, buyer: str) -> dict[str, Any]:
        token = Ticket(sale.id, place, buyer, 1).sign()
        return check(document, TICKET, await gate_server.poll(token))

    assert (await poll(3, "bea"))["eta_s"] is None
    first = sale.reserve_places("c1", upto=2)
    assert (await poll(3, "bea"))["eta_s"] == 1

    sale.confirm(first, {buyer: Confirmed(f"ORDER-{buyer}", HOUR_MS) for buyer in ("olga", "amir")})
    assert (await poll(1, "olga"))["status"] == "confirmed"
    sale.release({"olga": CANCELLED})
    assert (await poll(1, "olga"))["status"] == "released"

    sale.confirm_all(sale.reserve_places("c2"))
    assert (await poll(5, "dora"))["status"] == "waitlisted"
    sale.finish()
    assert (await poll(5, "dora"))["status"] == "sold_out"


async def test_a_renewed_ticket_is_as_described(
    document: dict[str, Any], gate_server: GateServer, load_sale: LoadSale
) -> None:
    sale = load_sale(stock=5, epoch=2)
    sale.admit("olga")

    waiting = check(document, TICKET, await gate_server.poll(Ticket(sale.id, 1, "olga", 1).sign()))

    assert Ticket.verify(waiting["ticket"]).epoch == 2


@pytest.mark.parametrize(
    "sale", [{}, {"stock": 0}, {"opens_in_ms": HOUR_MS // 2}, {"status": "paused"}, {"status": "closed"}], ids=str
)
async def test_progress_is_as_described(
    document: dict[str, Any], gate_server: GateServer, load_sale: LoadSale, sale: dict[str, Any]
) -> None:
    load_sale(**sale)

    check(document, PROGRESS, await gate_server.progress(7))


async def test_who_am_i_and_a_pass_are_as_described(
    document: dict[str, Any], gate_server: GateServer, load_sale: LoadSale
) -> None:
    """Django also serves these routes; the gate's responses must match the same schema exactly."""
    load_sale()
    session, token = "s" * 32, "t" * 32
    login = Login("u17", login_id_of(session), "m" * 16, int(time.time() * 1000), "Zoë").sign()
    headers = {"cookie": f"csrftoken={token}; sessionid={session}; buyer={login}", "x-csrftoken": token}

    me = await gate_server.request("GET", ME, headers)
    new_pass = await gate_server.request("POST", "/api/sales/7/pass", headers)

    assert check(document, ME, me) == {"username": "Zoë"}
    assert Pass.verify(check(document, PASS, new_pass)["pass"]).buyer == "u17"
    assert check(document, ME, await gate_server.request("GET", "/api/auth/me"))["code"] == "not_logged_in"
    assert gate_server.app.passed_on == []


async def test_every_refusal_is_as_described(
    document: dict[str, Any], gate_server: GateServer, load_sale: LoadSale
) -> None:
    load_sale(status="paused")
    bearer = {"Authorization": f"Bearer {good_pass(7, 'olga')}"}
    refusals = [
        (PURCHASE, await gate_server.request("POST", "/api/sales/7/purchase"), "bad_pass"),
        (PURCHASE, await gate_server.request("POST", "/api/sales/7/purchase", bearer), "paused"),
        (PURCHASE, await gate_server.request("POST", "/api/sales/7/purchase", bearer, b"x" * 5000), "too_large"),
        (PURCHASE, await gate_server.request("POST", f"/api/sales/7/purchase?{'x' * 9000}", bearer), "url_too_long"),
        (
            PURCHASE,
            await gate_server.request("POST", "/api/sales/7/purchase", {"Cookie": "x" * 40_000}),
            "headers_too_large",
        ),
        (TICKET, await gate_server.request("GET", "/api/tickets/olga"), "not_found"),
        (TICKET, await gate_server.request("DELETE", "/api/tickets/olga"), "method_not_allowed"),
        (PROGRESS, await gate_server.request("POST", "/api/sales/7/progress"), "method_not_allowed"),
    ]

    assert [check(document, path, answer)["code"] for path, answer, _ in refusals] == [code for *_, code in refusals]


async def test_a_member_that_is_not_described_would_be_seen(document: dict[str, Any]) -> None:
    """The negative control of this file."""
    body = b'{"status":"released","reason":"cancelled","why":"x"}'
    answer = Answered(200, {"content-type": "application/json"}, body)

    with pytest.raises(ValidationError, match="why"):
        check(document, TICKET, answer)
