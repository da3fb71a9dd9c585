"""A purchase at the gate: sales that admit nobody, the form of a request, and an unreachable Redis."""

import asyncio

import pytest
import redis
from pytest_django import Settings

from devtools.embedded.valkey import Valkey
from devtools.waiting import wait_until_async
from seckill.line.line import Line
from seckill.line.tickets import Ticket
from tests.gate.gate_server import (
    HOUR_MS,
    GateServer,
    good_pass,
    held,
    hold_writes,
    open_gate_server,
    problem,
    release_writes,
)
from tests.gate.wire import Wire, request_bytes
from tests.line.conftest import LoadSale
from tests.line.sale_in_line import SaleInLine


@pytest.mark.parametrize(
    ("config", "status", "code"),
    [
        ({"opens_in_ms": HOUR_MS // 2}, 403, "not_open"),
        ({"status": "closed"}, 403, "closed"),
        ({"closes_in_ms": -1}, 403, "closed"),
        ({"status": "paused"}, 403, "paused"),
        ({"line_limit": 0}, 409, "sold_out"),
        ({"ended_ms": 1_700_000_000_000}, 409, "sold_out"),
        ({"rejoin_seconds": 60}, 503, "recovering"),
    ],
    ids=["early", "shut", "late", "paused", "full", "ended", "recovering"],
)
async def test_a_sale_that_admits_nobody_says_why(
    gate_server: GateServer, load_sale: LoadSale, config: dict[str, int], status: int, code: str
) -> None:
    sale = load_sale(**config)

    response = await gate_server.purchase(7, "olga")

    assert problem(response) == (status, code)
    assert response.headers["retry-after"] == "2"
    assert sale.buyers_in_line() == []


async def test_a_line_that_fills_up_within_a_batch_tells_each_buyer_apart(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    sale = load_sale(line_limit=3)

    hold_writes(server)
    first = await gate_server.line_up([gate_server.purchase(7, "a")])
    await wait_until_async("the server holds a connection", lambda: held(server) == 1)
    group = await gate_server.line_up(gate_server.purchase(7, buyer) for buyer in ("b", "a", "c", "d", "b", "e"))
    release_writes(server)
    responses = [await task for task in (*first, *group)]

    assert [response.status_code for response in responses] == [202, 202, 202, 202, 409, 202, 409]
    assert [response.json().get("place") for response in responses] == [1, 2, 1, 3, None, 2, None]
    assert sale.buyers_in_line() == ["a", "b", "c"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_purchase_is_a_post(gate_server: GateServer, load_sale: LoadSale, method: str) -> None:
    sale = load_sale()

    response = await gate_server.request(
        method, "/api/sales/7/purchase", {"authorization": f"Bearer {good_pass(7, 'olga')}"}
    )

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    if method != "HEAD":
        assert problem(response) == (405, "method_not_allowed")
    assert sale.buyers_in_line() == []


async def test_a_small_body_does_no_harm(gate_server: GateServer, load_sale: LoadSale) -> None:
    load_sale()
    response = await gate_server.purchase_with(7, f"Bearer {good_pass(7, 'olga')}", body=b"x" * 4096)

    assert response.status_code == 202


async def test_a_large_body_is_refused(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale()

    response = await gate_server.purchase_with(7, f"Bearer {good_pass(7, 'olga')}", body=b"x" * 4097)

    assert problem(response) == (413, "too_large")
    assert response.headers["connection"] == "close"
    assert sale.buyers_in_line() == []


async def test_a_body_that_never_ends_is_refused_after_four_kilobytes(
    gate_server: GateServer, load_sale: LoadSale
) -> None:
    sale = load_sale()
    headers = {"authorization": f"Bearer {good_pass(7, 'olga')}", "transfer-encoding": "chunked"}
    async with await Wire.open(gate_server.port) as wire:
        wire.send(request_bytes("POST", "/api/sales/7/purchase", headers))
        for _ in range(4):
            wire.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
        wire.send(b"1\r\nx\r\n")

        response = await wire.answer()

        assert problem(response) == (413, "too_large")
        assert response.headers["connection"] == "close"
        assert await wire.rest() == b""  # the client was gone by then
    assert sale.buyers_in_line() == []


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("/api/sales/7/purchase/", "/api/sales/7/purchase/"),
        ("/api/sales/7/purchase/sync", "/api/sales/7/purchase/sync"),
        ("/api/sales/x/purchase", "/api/sales/x/purchase"),
        ("/api/sales/-7/purchase", "/api/sales/-7/purchase"),
        ("/api/sales/1234567890/purchase", "/api/sales/1234567890/purchase"),
        ("/api/sales/%D9%A7/purchase", "/api/sales/\N{ARABIC-INDIC DIGIT SEVEN}/purchase"),
        ("/api/sales/7/purchase%0A", "/api/sales/7/purchase\n"),
        ("/api/tickets", "/api/tickets"),
        ("/x/api/sales/7/purchase", "/x/api/sales/7/purchase"),
    ],
)
async def test_all_other_addresses_are_the_shop_s(
    gate_server: GateServer, load_sale: LoadSale, target: str, path: str
) -> None:
    sale = load_sale()

    sent = await gate_server.request("POST", target, {"authorization": f"Bearer {good_pass(7, 'olga')}"})

    assert (sent.status_code, sent.content) == (418, b"the shop")
    assert gate_server.app.passed_on == [f"http {path}"]
    assert sale.buyers_in_line() == []


async def test_the_gate_s_own_addresses_never_reach_the_shop(gate_server: GateServer, load_sale: LoadSale) -> None:
    load_sale()
    ticket = (await gate_server.purchase(7, "olga")).json()["ticket"]
    await gate_server.poll(ticket)
    await gate_server.poll("made-up")
    await gate_server.progress(7)
    await gate_server.purchase_with(7, "Bearer nothing")

    assert gate_server.app.passed_on == []


async def test_a_batch_that_finds_no_redis_fails_together(settings: Settings, dead_address: str) -> None:
    settings.REDIS_URL = dead_address
    async with open_gate_server() as gate_server:
        responses = await asyncio.gather(*(gate_server.purchase(7, f"b{number}") for number in range(8)))
        responses += [await gate_server.progress(7), await gate_server.poll(Ticket(7, 1, "olga", 1).sign())]

    assert [problem(response) for response in responses] == [(503, "unavailable")] * 10
    assert {response.headers["retry-after"] for response in responses} == {"2"}


async def test_a_place_survives_a_restart_of_redis(settings: Settings, own_valkey: Valkey) -> None:
    settings.REDIS_URL = own_valkey.url(0)
    with redis.Redis.from_url(own_valkey.url(0), decode_responses=True) as client:
        sale = SaleInLine(Line(client), 7)
        sale.rebuild(sale.config(stock=0))
    async with open_gate_server() as gate_server:
        before = await gate_server.purchase(7, "olga")
        own_valkey.stop()
        away = await asyncio.gather(*(gate_server.purchase(7, buyer) for buyer in ("olga", "amir")))
        own_valkey.start()
        after = await gate_server.purchase(7, "olga")
        newcomer = await gate_server.purchase(7, "amir")

    assert before.status_code == 202
    assert [problem(response) for response in away] == [(503, "unavailable")] * 2
    assert after.json() == before.json()
    assert newcomer.json()["place"] == 2


async def test_a_redis_that_answers_nothing_costs_seconds_not_minutes(load_sale: LoadSale, server: redis.Redis) -> None:
    sale = load_sale(stock=0)
    async with open_gate_server() as gate_server:
        await gate_server.purchase(7, "first")
        hold_writes(server)

        crowd = await asyncio.gather(
            *(gate_server.purchase(7, f"b{number}") for number in range(10))
        )  # three tries of 0.6 s

        assert [problem(response) for response in crowd] == [(503, "unavailable")] * 10
        assert sale.line.length(7) == 1
        release_writes(server)
        assert (await gate_server.purchase(7, "olga")).json()["place"] == 2
