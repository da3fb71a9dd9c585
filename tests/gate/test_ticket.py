"""Ticket: its holder may poll the outcome of the place, and no other client may."""

import asyncio
from base64 import urlsafe_b64encode
from typing import Any

import pytest
import redis

from seckill.gate import clients, snapshots
from seckill.line.outcome import Confirmed, Released
from seckill.line.tickets import Ticket
from seckill.timestamps import format_iso8601
from tests.gate.caller import ask
from tests.gate.gate_server import (
    GateServer,
    ask_until,
    commands,
    exchange,
    good_pass,
    problem,
    read_json,
    reset_call_counts,
    ticket_of,
)
from tests.gate.wire import request_bytes
from tests.line.conftest import LoadSale
from tests.line.sale_in_line import CANCELLED, EXPIRED, SaleInLine, order


def ticket(place: int, buyer: str, *, epoch: int = 1) -> str:
    return Ticket(7, place, buyer, epoch).sign()


async def test_a_waiting_ticket_returns_place_and_buyers_ahead(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale(stock=9)
    sale.admit("olga", "amir", "bea", "carl")
    sale.reserve_places("c1", upto=1)

    response = await gate_server.poll(ticket(4, "carl"))

    assert response.status_code == 200
    assert response.json() == {"status": "queued", "place": 4, "ahead": 2, "eta_s": None, "poll_after_s": 2}
    assert response.headers["retry-after"] == "2"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "application/json"


async def test_a_reserved_place_is_queued_with_nobody_ahead(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale(stock=2)
    sale.admit("olga", "amir", "bea")
    sale.reserve_places("c1")

    for place, buyer in ((1, "olga"), (2, "amir")):
        assert (await gate_server.poll(ticket(place, buyer))).json() == {
            "status": "queued", "place": place, "ahead": 0, "eta_s": None, "poll_after_s": 2,
        }  # fmt: skip


async def test_a_confirmed_ticket_returns_the_order_and_the_deadline(
    gate_server: GateServer, load_sale: LoadSale
) -> None:
    sale = load_sale()
    sale.admit("olga", "amir")
    sale.confirm(sale.reserve_places("c1", upto=1), {"olga": Confirmed("7K2Q-M9XD-4TPA", 1_893_456_000_123)})

    response = await gate_server.poll(ticket(1, "olga"))

    assert response.status_code == 200
    assert response.json() == {
        "status": "confirmed",
        "order": "7K2Q-M9XD-4TPA",
        "pay_before": "2030-01-01T00:00:00.123Z",
    }
    assert response.headers["cache-control"] == "no-store"


async def test_a_place_behind_the_last_unit_is_on_the_waitlist(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga", "amir", "bea")
    sale.confirm_all(sale.reserve_places("c1"))

    response = await gate_server.poll(ticket(3, "bea"))

    assert response.json() == {"status": "waitlisted", "place": 3, "place_in_waitlist": 2, "poll_after_s": 2}
    assert response.headers["retry-after"] == "2"


async def test_a_returned_unit_moves_the_waitlist(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga", "amir", "bea")
    sale.confirm_all(sale.reserve_places("c1"))
    assert (await gate_server.poll(ticket(2, "amir"))).json()["status"] == "waitlisted"

    sale.release({"olga": CANCELLED})
    sale.confirm_all(sale.reserve_places("c2"))

    response = await ask_until(
        "the ticket has the outcome",
        lambda: gate_server.poll(ticket(2, "amir")),
        lambda answer: answer.json()["status"] == "confirmed",
    )
    assert response.json()["order"] == "ORDER-2"
    assert (await gate_server.poll(ticket(1, "olga"))).json() == {"status": "released", "reason": "cancelled"}
    assert (await gate_server.poll(ticket(3, "bea"))).json()["place_in_waitlist"] == 1


async def test_a_ticket_returns_the_end_of_the_waitlist(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga", "amir")
    sale.confirm_all(sale.reserve_places("c1"))
    sold_out_ms = sale.snapshot().sold_out_ms
    sale.finish()

    response = await gate_server.poll(ticket(2, "amir"))

    assert response.status_code == 200
    assert response.json() == {"status": "sold_out", "sold_out_at": format_iso8601(sold_out_ms)}
    assert "retry-after" not in response.headers
    assert (await gate_server.poll(ticket(1, "olga"))).json()["status"] == "confirmed"


async def test_whoever_comes_back_to_an_ended_sale_has_lost(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale(stock=5, epoch=2, ended_ms=1_764_000_000_000)

    response = await gate_server.poll(ticket(9, "late"))

    assert response.json() == {"status": "sold_out", "sold_out_at": "2025-11-24T16:00:00.000Z"}
    assert sale.buyers_in_line() == []


async def test_whoever_comes_back_a_moment_after_the_end_gets_no_place(
    gate_server: GateServer, load_sale: LoadSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate's snapshot does not show the end yet; the line does."""
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 60)
    sale = load_sale(stock=1, epoch=2)
    sale.admit("olga")
    sale.confirm_all(sale.reserve_places("c1"))
    assert (await gate_server.progress(7)).json()["waiting"] == 0
    sale.finish()

    response = await gate_server.poll(ticket(9, "late"))

    assert response.json() == {"status": "sold_out", "sold_out_at": format_iso8601(sale.snapshot().sold_out_ms)}
    assert sale.buyers_in_line() == ["olga"]


@pytest.mark.parametrize("reason", [CANCELLED, EXPIRED])
async def test_a_cancelled_or_expired_order_is_released(
    gate_server: GateServer, load_sale: LoadSale, reason: Released
) -> None:
    sale = load_sale()
    sale.admit("olga")
    sale.confirm_all(sale.reserve_places("c1"))
    sale.release({"olga": reason})

    assert (await gate_server.poll(ticket(1, "olga"))).json() == {"status": "released", "reason": reason.reason}


FORGED = {
    "nothing": "",
    "nonsense": "olga",
    "unsigned": urlsafe_b64encode(b"\0" * 16 + b"7 1 olga 1").rstrip(b"=").decode(),
    "one letter off": Ticket(7, 1, "olga", 1).sign()[:-2] + "zz",
    "padded": Ticket(7, 1, "olga", 1).sign() + "=",
    "with a slash": Ticket(7, 1, "olga", 1).sign() + "/",
    "a pass": good_pass(7, "olga"),
    "far too long": "A" * 3000,
    "not ascii": "票",
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_ticket_is_not_found_and_costs_redis_nothing(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis, token: str
) -> None:
    sale = load_sale()
    sale.admit("olga")
    reset_call_counts(server)

    response = await gate_server.poll(token)

    assert problem(response) == (404, "not_found")
    assert commands(server) == {}


async def test_a_ticket_shows_its_own_outcome_only(gate_server: GateServer, load_sale: LoadSale) -> None:
    """Amir's ticket is for Amir, whatever place it names: it does not show Olga's order at her place."""
    sale = load_sale(stock=1)
    sale.admit("olga", "amir")
    sale.confirm_all(sale.reserve_places("c1"))

    for answer in (await gate_server.poll(ticket(2, "amir")), await gate_server.poll(ticket(1, "amir"))):
        assert answer.json()["status"] == "waitlisted"
        assert "ORDER-1" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_a_ticket_can_only_be_read(gate_server: GateServer, load_sale: LoadSale, method: str) -> None:
    load_sale().admit("olga")

    response = await gate_server.request(method, f"/api/tickets/{ticket(1, 'olga')}")

    assert problem(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD"


async def test_a_head_request_is_answered_without_a_body(
    gate_server: GateServer, load_sale: LoadSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "CHECK_INTERVAL_SECONDS", 3600)  # the Date header stays the same
    load_sale().admit("olga")
    path = f"/api/tickets/{ticket(1, 'olga')}"

    head = await exchange(gate_server, request_bytes("HEAD", path, {"connection": "close"}))
    get = await exchange(gate_server, request_bytes("GET", path, {"connection": "close"}))

    head_of_get, _, body = get.partition(b"\r\n\r\n")
    assert head == head_of_get + b"\r\n\r\n"
    assert b"\r\ncontent-length: %d\r\n" % len(body) in head


# --- cost of polling -------------------------------------------------------------------------------------------------


async def test_a_waiting_crowd_costs_one_snapshot(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 60)
    sale = load_sale(stock=1, line_limit=5000)
    sale.admit(*(f"b{number}" for number in range(1, 301)))
    sale.confirm_all(sale.reserve_places("c1"))
    await gate_server.progress(7)
    reset_call_counts(server)

    answers = await asyncio.gather(*(gate_server.poll(ticket(place, f"b{place}")) for place in range(2, 301)))

    assert [answer.json()["place_in_waitlist"] for answer in answers] == list(range(1, 300))
    assert commands(server) == {}


async def test_a_crowd_that_asks_for_decided_places_is_looked_up_together(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 60)
    sale = load_sale(stock=501, line_limit=5000)
    sale.admit(*(f"b{number}" for number in range(1, 502)))
    sale.confirm_all(sale.reserve_places("c1", chunk=501))
    await gate_server.progress(7)
    reset_call_counts(server)
    gate = gate_server.application.gate

    answers = [ask(gate, "GET", f"/api/tickets/{ticket(place, f'b{place}')}") for place in range(1, 502)]

    orders = [read_json((await answer).body)["order"] for answer in answers]
    assert orders == [f"ORDER-{place}" for place in range(1, 502)]
    assert commands(server) == {"hmget": 2}  # one for each batch of at most 500


# --- a line that was lost --------------------------------------------------------------------------------------------


def wipe_and_rebuild(sale: SaleInLine, *, stock: int, **more: Any) -> None:
    sale.line.client.flushdb()
    sale.rebuild(sale.config(stock=stock), epoch=2, **more)


async def test_the_crowd_of_a_lost_line_comes_back_in_its_old_order(
    gate_server: GateServer, load_sale: LoadSale
) -> None:
    sale = load_sale(stock=5)
    tickets = {buyer: (await gate_server.purchase(7, buyer)).json()["ticket"] for buyer in ("olga", "amir", "bea")}
    wipe_and_rebuild(sale, stock=5, rejoin_seconds=60)

    bea = await ask_until(
        "bea has a ticket again", lambda: gate_server.poll(tickets["bea"]), lambda answer: "ticket" in answer.json()
    )
    olga = await gate_server.poll(tickets["olga"])

    assert (bea.json()["status"], bea.json()["place"]) == ("queued", 3)
    assert ticket_of(bea) == Ticket(7, 3, "bea", 2)
    assert ticket_of(olga) == Ticket(7, 1, "olga", 2)
    assert sale.buyers_in_line() == ["olga", "", "bea"]
    assert (await gate_server.poll(tickets["bea"])).json() == bea.json()  # an old ticket gets the same response
    assert sale.buyers_in_line() == ["olga", "", "bea"]


async def test_a_crowd_that_comes_back_all_at_once_is_let_in_all_at_once(
    gate_server: GateServer, load_sale: LoadSale
) -> None:
    sale = load_sale(stock=5, epoch=2, rejoin_seconds=60)

    answers = await asyncio.gather(
        *(gate_server.poll(ticket(place, f"b{place}", epoch=1)) for place in range(400, 0, -1))
    )

    assert {answer.status_code for answer in answers} == {200}
    assert sale.buyers_in_line() == [f"b{place}" for place in range(1, 401)]


async def test_a_renewed_ticket_waits_without_asking_for_another(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale(stock=5, epoch=2)
    renewed = (await gate_server.poll(ticket(3, "bea", epoch=1))).json()["ticket"]

    answer = await gate_server.poll(renewed)

    assert answer.json() == {"status": "queued", "place": 3, "ahead": 2, "eta_s": None, "poll_after_s": 2}
    assert sale.buyers_in_line() == ["", "", "bea"]


async def test_an_old_ticket_whose_order_is_in_the_ledger_finds_it(
    gate_server: GateServer, load_sale: LoadSale
) -> None:
    sale = load_sale(stock=5)
    sale.line.client.flushdb()
    sale.restore([(1, "olga", order("ORDER-1")), (2, "amir", EXPIRED)])
    sale.rebuild(sale.config(stock=5), epoch=2, stock_left=4, pointer=2)

    assert (await gate_server.poll(ticket(1, "olga"))).json()["order"] == "ORDER-1"
    assert (await gate_server.poll(ticket(2, "amir"))).json() == {"status": "released", "reason": "expired"}


async def test_an_order_restored_behind_the_pointer_is_found_by_new_tickets_too(
    gate_server: GateServer, load_sale: LoadSale
) -> None:
    """Place 1 was lost in a crash and its buyer did not return, so the rebuilt pointer is before it; all units are
    sold.
    """
    sale = load_sale(stock=1)
    sale.line.client.flushdb()
    sale.restore([(2, "amir", order("ORDER-2"))])
    sale.rebuild(sale.config(stock=1), epoch=2, stock_left=0, pointer=0)
    sale.admit("bea")

    again = await gate_server.purchase(7, "amir")

    assert ticket_of(again) == Ticket(7, 2, "amir", 2)
    assert (await gate_server.poll(again.json()["ticket"])).json()["order"] == "ORDER-2"
    assert (await gate_server.poll((await gate_server.purchase(7, "bea")).json()["ticket"])).json()[
        "status"
    ] == "waitlisted"


async def test_a_ticket_whose_place_went_to_somebody_else_leads_to_the_end(
    gate_server: GateServer, load_sale: LoadSale
) -> None:
    sale = load_sale(stock=5)
    wipe_and_rebuild(sale, stock=5)
    sale.admit("quick", "quicker")

    answer = await gate_server.poll(ticket(1, "slow"))

    assert ticket_of(answer) == Ticket(7, 3, "slow", 2)
    assert answer.json()["ahead"] == 2
    assert sale.buyers_in_line() == ["quick", "quicker", "slow"]


async def test_a_hundred_polls_of_one_lost_ticket_take_one_place(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale(stock=5, epoch=2)

    answers = await asyncio.gather(*(gate_server.poll(ticket(4, "dana", epoch=1)) for _ in range(100)))

    assert {answer.json()["place"] for answer in answers} == {4}
    assert sale.buyers_in_line() == ["", "", "", "dana"]
