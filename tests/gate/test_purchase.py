"""A purchase at the gate: places, batches, and buyers who hang up."""

import asyncio

import pytest
import redis

from devtools.waiting import wait_until_async
from seckill.gate import batcher as groups
from seckill.line.passes import Pass
from seckill.line.tickets import Ticket
from tests.gate.caller import ask
from tests.gate.gate_server import (
    GateServer,
    good_pass,
    held,
    hold_writes,
    problem,
    read_json,
    release_writes,
    reset_call_counts,
    script_calls,
)
from tests.line.conftest import LoadSale


async def test_a_purchase_gives_a_ticket_for_the_next_place(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale(stock=3, epoch=6)
    sale.admit("amir", "bea")
    ticket = Ticket(7, 3, "olga", 6).sign()

    response = await gate_server.purchase(7, "olga")

    assert response.status_code == 202
    assert response.json() == {"ticket": ticket, "status": "queued", "place": 3, "ahead": 2, "poll_after_s": 2}
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == str(len(response.content))
    assert response.headers["location"] == f"/api/tickets/{ticket}"
    assert response.headers["retry-after"] == "2"
    assert response.headers["cache-control"] == "no-store"
    assert sale.buyers_in_line() == ["amir", "bea", "olga"]


async def test_ahead_counts_only_those_who_still_wait(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale(stock=9)
    sale.admit("amir", "bea", "carl", "dana")
    sale.reserve_places("c1", upto=3)

    assert (await gate_server.purchase(7, "olga")).json()["ahead"] == 1
    assert (await gate_server.purchase(7, "amir")).json()["ahead"] == 0


async def test_buying_again_gives_the_same_ticket(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale()
    first = await gate_server.purchase(7, "olga")
    await gate_server.purchase(7, "amir")

    again = await gate_server.purchase(7, "olga")
    with_a_later_pass = await gate_server.purchase_with(7, f"Bearer {Pass(7, 'olga', 0, 99_999_999_999_999).sign()}")

    assert again.status_code == with_a_later_pass.status_code == 202
    assert again.json() == with_a_later_pass.json() == first.json()
    assert sale.buyers_in_line() == ["olga", "amir"]


async def test_a_ticket_stays_the_same_after_the_sale_has_closed(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale()
    first = await gate_server.purchase(7, "olga")
    sale.configure(sale.config(status="closed"))

    assert (await gate_server.purchase(7, "olga")).json() == first.json()
    assert problem(await gate_server.purchase(7, "amir")) == (403, "closed")


async def test_sixty_four_who_wait_get_sixty_four_places_in_one_call(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    sale = load_sale(stock=3)
    await gate_server.purchase(7, "first")  # the script is cached on the server from here on
    reset_call_counts(server)
    hold_writes(server)
    early = [
        *await gate_server.line_up([gate_server.purchase(7, "early")]),
        *await gate_server.line_up([gate_server.purchase(7, "next")]),
    ]
    await wait_until_async("the server holds a connection", lambda: held(server) == 1)

    crowd = await gate_server.line_up(gate_server.purchase(7, f"b{number}") for number in range(64))
    release_writes(server)

    assert [(await one).json()["place"] for one in (*early, *crowd)] == list(range(2, 68))
    assert sale.buyers_in_line() == ["first", "early", "next", *(f"b{number}" for number in range(64))]
    assert script_calls(server) == 3


async def test_those_who_come_while_two_batches_are_written_form_the_next_one(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    load_sale(stock=0, line_limit=100)
    await gate_server.purchase(7, "first")
    reset_call_counts(server)
    hold_writes(server)
    one = await gate_server.line_up([gate_server.purchase(7, "one")])
    two = await gate_server.line_up([gate_server.purchase(7, "two")])
    await wait_until_async("the server holds a connection", lambda: held(server) == 1)
    late = await gate_server.line_up(gate_server.purchase(7, f"late{number}") for number in range(40))

    release_writes(server)

    assert [(await task).json()["place"] for task in (*one, *two, *late)] == list(range(2, 44))
    assert script_calls(server) == 3


async def test_a_batch_larger_than_one_call_may_be_is_cut(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    sale = load_sale(stock=0, line_limit=5000)
    await gate_server.purchase(7, "first")
    reset_call_counts(server)
    gate = gate_server.application.gate

    answers = [
        ask(gate, "POST", "/api/sales/7/purchase", f"Bearer {good_pass(7, f'b{number}')}") for number in range(2001)
    ]

    assert [read_json((await answer).body)["place"] for answer in answers] == list(range(2, 2003))
    assert sale.line.length(7) == 2002
    assert script_calls(server) == 3


async def test_a_buyer_who_hangs_up_keeps_the_place_and_disturbs_nobody(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    sale = load_sale(stock=0)
    await gate_server.purchase(7, "first")
    hold_writes(server)
    one, two, three, four = await gate_server.line_up(
        gate_server.purchase(7, buyer) for buyer in ("one", "two", "three", "four")
    )

    two.cancel()
    with pytest.raises(asyncio.CancelledError):
        await two
    release_writes(server)

    assert [(await task).json()["place"] for task in (one, three, four)] == [2, 4, 5]
    assert sale.buyers_in_line() == ["first", "one", "two", "three", "four"]
    assert (await gate_server.purchase(7, "two")).json()["place"] == 3


async def test_a_whole_batch_that_hangs_up_leaves_the_gate_working(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    sale = load_sale(stock=0)
    await gate_server.purchase(7, "first")
    hold_writes(server)
    gone = await gate_server.line_up(gate_server.purchase(7, buyer) for buyer in ("one", "two"))
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    release_writes(server)

    assert (await gate_server.purchase(7, "three")).json()["place"] == 4
    assert sale.buyers_in_line() == ["first", "one", "two", "three"]


async def test_when_too_many_wait_others_are_told_to_come_back(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "WAITING_MAX", 2)
    sale = load_sale(stock=0)
    hold_writes(server)
    written = [
        *await gate_server.line_up([gate_server.purchase(7, "first")]),
        *await gate_server.line_up([gate_server.purchase(7, "second")]),
    ]
    await wait_until_async("the server holds a connection", lambda: held(server) == 1)
    waiting = await gate_server.line_up(gate_server.purchase(7, buyer) for buyer in ("one", "two"))

    refused = await gate_server.purchase(7, "three")
    release_writes(server)

    assert problem(refused) == (503, "unavailable")
    assert refused.headers["retry-after"] == "2"
    assert [(await task).json()["place"] for task in (*written, *waiting)] == [1, 2, 3, 4]
    assert sale.buyers_in_line() == ["first", "second", "one", "two"]
