"""Purchase: a valid pass gets a ticket, any other request a problem."""

import asyncio
import time
from base64 import urlsafe_b64encode

import pytest
import redis
from pytest_django import Settings

from devtools.embedded.valkey import Valkey
from seckill.gate import batcher as groups
from seckill.line.line import Line
from seckill.line.passes import Pass
from seckill.line.tickets import Ticket
from tests.gate.caller import ask
from tests.gate.gate_server import (
    HOUR_MS,
    GateServer,
    eventually,
    good_pass,
    held,
    hold_writes,
    open_gate_server,
    problem,
    read_json,
    release_writes,
    reset_call_counts,
    script_calls,
)
from tests.gate.wire import Wire, request_bytes
from tests.line.conftest import LoadSale
from tests.line.sale_in_line import SaleInLine


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
    await eventually(lambda: held(server) == 1)

    crowd = await gate_server.line_up(gate_server.purchase(7, f"b{number}") for number in range(64))
    release_writes(server)

    assert [(await one).json()["place"] for one in (*early, *crowd)] == list(range(2, 68))
    assert sale.buyers_in_line() == ["first", "early", "next", *(f"b{number}" for number in range(64))]
    assert script_calls(server) == 3


async def test_those_who_come_while_two_groups_are_written_form_the_next_one(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    load_sale(stock=0, line_limit=100)
    await gate_server.purchase(7, "first")
    reset_call_counts(server)
    hold_writes(server)
    one = await gate_server.line_up([gate_server.purchase(7, "one")])
    two = await gate_server.line_up([gate_server.purchase(7, "two")])
    await eventually(lambda: held(server) == 1)
    late = await gate_server.line_up(gate_server.purchase(7, f"late{number}") for number in range(40))

    release_writes(server)

    assert [(await task).json()["place"] for task in (*one, *two, *late)] == list(range(2, 44))
    assert script_calls(server) == 3


async def test_a_group_larger_than_one_call_may_be_is_cut(
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


async def test_a_whole_group_that_hangs_up_leaves_the_gate_working(
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
    await eventually(lambda: held(server) == 1)
    waiting = await gate_server.line_up(gate_server.purchase(7, buyer) for buyer in ("one", "two"))

    refused = await gate_server.purchase(7, "three")
    release_writes(server)

    assert problem(refused) == (503, "unavailable")
    assert refused.headers["retry-after"] == "2"
    assert [(await task).json()["place"] for task in (*written, *waiting)] == [1, 2, 3, 4]
    assert sale.buyers_in_line() == ["first", "second", "one", "two"]


# --- passes ---------------------------------------------------------------------------------------------------------

NOW_MS = int(time.time() * 1000)
UNSIGNED = urlsafe_b64encode(b"\0" * 16 + b"7 olga 0 99999999999999").rstrip(b"=").decode()
BAD_PASSES = {
    "no word": "",
    "scheme only": "Bearer",
    "scheme and blank": "Bearer ",
    "another scheme": f"Basic {good_pass(7, 'olga')}",
    "no scheme": good_pass(7, "olga"),
    "nonsense": "Bearer olga",
    "unsigned": f"Bearer {UNSIGNED}",
    "forged": f"Bearer {good_pass(7, 'olga')[:-2]}xx",
    "two passes": f"Bearer {good_pass(7, 'olga')} {good_pass(7, 'olga')}",
    "a ticket": f"Bearer {Ticket(7, 1, 'olga', 1).sign()}",
    "far too long": "Bearer " + "A" * 3000,
    "umlauts": "Bearer tïcket",
    "bytes": "Bearer \xff\xfe",
}


@pytest.mark.parametrize("authorization", BAD_PASSES.values(), ids=BAD_PASSES.keys())
async def test_nobody_buys_without_a_pass_of_this_shop(
    gate_server: GateServer, load_sale: LoadSale, authorization: str
) -> None:
    sale = load_sale()

    response = await gate_server.purchase_with(7, authorization)

    assert problem(response) == (401, "bad_pass")
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["detail"] == "Send the pass as 'Authorization: Bearer PASS'."
    assert sale.buyers_in_line() == []


async def test_nobody_buys_without_the_header(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale()

    response = await gate_server.request("POST", "/api/sales/7/purchase")

    assert problem(response) == (401, "bad_pass")
    assert response.headers["www-authenticate"] == "Bearer"
    assert sale.buyers_in_line() == []


@pytest.mark.parametrize("spelling", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "Bearer {} "])
async def test_a_scheme_may_be_spelled_as_http_allows(
    gate_server: GateServer, load_sale: LoadSale, spelling: str
) -> None:
    load_sale()

    assert (await gate_server.purchase_with(7, spelling.format(good_pass(7, "olga")))).json()["place"] == 1


@pytest.mark.parametrize("expires_ms", [0, NOW_MS - HOUR_MS, NOW_MS - 1])
async def test_an_expired_pass_is_worthless(gate_server: GateServer, load_sale: LoadSale, expires_ms: int) -> None:
    sale = load_sale()

    response = await gate_server.purchase_with(7, f"Bearer {Pass(7, 'olga', 0, expires_ms).sign()}")

    assert problem(response) == (401, "bad_pass")
    assert response.json()["detail"] == "The pass has expired."
    assert response.headers["www-authenticate"] == "Bearer"
    assert sale.buyers_in_line() == []


async def test_the_window_decides_not_the_day_printed_on_the_pass(gate_server: GateServer, load_sale: LoadSale) -> None:
    load_sale()
    early_bird = Pass(7, "olga", NOW_MS + HOUR_MS, NOW_MS + 2 * HOUR_MS).sign()

    assert (await gate_server.purchase_with(7, f"Bearer {early_bird}")).status_code == 202


async def test_a_pass_is_good_for_its_own_sale_only(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale()

    response = await gate_server.purchase_with(7, f"Bearer {good_pass(8, 'olga')}")

    assert problem(response) == (401, "bad_pass")
    assert response.json()["detail"] == "The pass is for another sale."
    assert sale.buyers_in_line() == []


# --- reject reasons of the line --------------------------------------------------------------------------------------


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


async def test_a_line_that_fills_up_within_a_group_tells_each_buyer_apart(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    sale = load_sale(line_limit=3)

    hold_writes(server)
    first = await gate_server.line_up([gate_server.purchase(7, "a")])
    await eventually(lambda: held(server) == 1)
    group = await gate_server.line_up(gate_server.purchase(7, buyer) for buyer in ("b", "a", "c", "d", "b", "e"))
    release_writes(server)
    responses = [await task for task in (*first, *group)]

    assert [response.status_code for response in responses] == [202, 202, 202, 202, 409, 202, 409]
    assert [response.json().get("place") for response in responses] == [1, 2, 1, 3, None, 2, None]
    assert sale.buyers_in_line() == ["a", "b", "c"]


# --- form of a request -----------------------------------------------------------------------------------------------


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


# --- Redis out of reach ----------------------------------------------------------------------------------------------


async def test_a_group_that_finds_no_redis_fails_together(settings: Settings, dead_address: str) -> None:
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
