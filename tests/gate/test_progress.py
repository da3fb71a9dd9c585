"""Progress and snapshots: one response for all clients, read from Redis rarely."""

import asyncio
import math
import time

import pytest
import redis

from devtools.waiting import wait_until_async
from seckill.gate import clients, snapshots
from seckill.gate.snapshots import CachedSnapshot, Snapshots
from seckill.line import commands
from seckill.line.line import open_async_line
from seckill.timestamps import format_iso8601
from tests.gate.gate_server import (
    GateServer,
    ask_until,
    exchange,
    held,
    hold_writes,
    problem,
    release_writes,
    reset_call_counts,
    script_calls,
)
from tests.gate.wire import request_bytes
from tests.line.conftest import LoadSale
from tests.line.sale_in_line import HOUR_MS

FRESH_SECONDS = 0.1


async def test_progress_shows_where_the_line_stands(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    sale.admit("olga", "amir", "bea", "carl")
    sale.confirm_all(sale.reserve_places("c1", upto=1))
    sale.reserve_places("c2", upto=3)
    seen = sale.snapshot()

    response = await gate_server.progress(7)

    assert response.status_code == 200
    server_time = response.json().pop("server_time")
    assert format_iso8601(seen.now_ms) <= server_time <= format_iso8601(sale.redis_now_ms() + 1000)
    assert response.json() == {
        "state": "open",
        "admitted": 4,
        "pointer": 3,
        "waiting": 1,
        "remaining": 2,
        "stock": 5,
        "reserved": 2,
        "opens_at": format_iso8601(seen.opens_ms),
        "closes_at": format_iso8601(seen.opens_ms + 2 * HOUR_MS),
        "server_time": server_time,
    }
    assert response.headers["cache-control"] == "public, max-age=1"
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("config", "state"),
    [
        ({"opens_in_ms": HOUR_MS // 2}, "scheduled"),
        ({"stock": 0}, "sold_out"),
        ({"status": "paused"}, "paused"),
        ({"status": "closed"}, "closed"),
        ({"closes_in_ms": -1}, "closed"),
        ({"ended_ms": 1_700_000_000_000}, "sold_out"),
    ],
)
async def test_progress_names_the_state(
    gate_server: GateServer, load_sale: LoadSale, config: dict[str, int], state: str
) -> None:
    load_sale(**config)

    assert (await gate_server.progress(7)).json()["state"] == state


async def test_progress_never_shows_less_than_nothing(gate_server: GateServer, load_sale: LoadSale) -> None:
    load_sale(stock=3, stock_left=-2)

    assert (await gate_server.progress(7)).json()["remaining"] == 0


async def test_a_sale_opens_on_the_page_with_the_next_snapshot(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale(opens_in_ms=HOUR_MS // 2)
    assert (await gate_server.progress(7)).json()["state"] == "scheduled"
    sale.configure(sale.config(opens_in_ms=-1))

    document = (
        await ask_until(
            "the sale is open", lambda: gate_server.progress(7), lambda answer: answer.json()["state"] == "open"
        )
    ).json()

    assert document["server_time"] >= document["opens_at"]


async def test_everybody_gets_the_answer_that_was_made_from_one_snapshot(
    gate_server: GateServer, load_sale: LoadSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 60)
    sale = load_sale()
    first = await gate_server.progress(7)
    sale.admit("olga")

    later = [await gate_server.progress(7) for _ in range(3)]

    assert {answer.content for answer in later} == {first.content}
    assert format_iso8601(sale.redis_now_ms()) >= first.json()["server_time"]


async def test_a_head_request_is_answered_without_a_body(
    gate_server: GateServer, load_sale: LoadSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 60)
    monkeypatch.setattr(clients, "CHECK_INTERVAL_SECONDS", 3600)  # the Date header stays the same
    load_sale()

    head = await exchange(gate_server, request_bytes("HEAD", "/api/sales/7/progress", {"connection": "close"}))
    get = await exchange(gate_server, request_bytes("GET", "/api/sales/7/progress", {"connection": "close"}))

    head_of_get, _, body = get.partition(b"\r\n\r\n")
    assert head == head_of_get + b"\r\n\r\n"
    assert b"\r\ncontent-length: %d\r\n" % len(body) in head


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_progress_can_only_be_read(gate_server: GateServer, load_sale: LoadSale, method: str) -> None:
    load_sale()

    response = await gate_server.request(method, "/api/sales/7/progress")

    assert problem(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD"


# --- snapshots -------------------------------------------------------------------------------------------------------


async def test_a_crowd_at_one_moment_costs_one_look_at_redis(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_sale().admit("olga")
    await gate_server.progress(7)  # the script is cached on the server from here on
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 0)
    reset_call_counts(server)
    hold_writes(server)

    crowd = await gate_server.line_up(gate_server.progress(7) for _ in range(200))
    release_writes(server)

    assert {(await answer).json()["admitted"] for answer in crowd} == {1}
    assert script_calls(server) == 1


async def test_polling_without_pause_looks_at_redis_ten_times_a_second_at_most(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    sale = load_sale()
    began = time.monotonic()
    await gate_server.progress(7)
    reset_call_counts(server)
    polls = 0
    while script_calls(server) < 4:
        await asyncio.gather(*(gate_server.progress(7) for _ in range(20)))
        polls += 20

    elapsed = time.monotonic() - began
    assert script_calls(server) <= math.ceil(elapsed / FRESH_SECONDS)
    assert polls > 4

    sale.admit("olga")
    answer = await ask_until(
        "one buyer is admitted", lambda: gate_server.progress(7), lambda answer: answer.json()["admitted"] == 1
    )
    assert answer.json()["waiting"] == 1


async def test_sales_do_not_share_a_snapshot(gate_server: GateServer, load_sale: LoadSale) -> None:
    load_sale(stock=3).admit("olga")
    other = load_sale(stock=3)
    other.id = 8
    other.rebuild(other.config(stock=9))

    assert [(await gate_server.progress(sale_id)).json()["stock"] for sale_id in (7, 8, 7)] == [3, 9, 3]


async def test_made_up_sales_do_not_fill_the_memory(load_sale: LoadSale) -> None:
    load_sale()
    line = open_async_line()
    try:
        seen = Snapshots(line)
        found = await asyncio.gather(*(seen.get(sale_id) for sale_id in range(100, 400)))
        assert found == [None] * 300
        assert kept(seen) == 0
        await seen.get(7)
        assert kept(seen) == 1
    finally:
        await line.close()


async def test_of_many_sales_the_one_read_longest_ago_goes(
    load_sale: LoadSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "CACHED_MAX", 3)
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 0)
    sale = load_sale()
    for sale.id in (8, 9, 10):
        sale.rebuild(sale.config())
    line = open_async_line()
    try:
        seen = Snapshots(line)
        for sale_id in (7, 8, 9, 7, 10):
            await seen.get(sale_id)
        assert kept(seen) == 3

        monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 60)
        assert [seen.fresh(sale_id) is not None for sale_id in (7, 8, 9, 10)] == [True, False, True, True]
    finally:
        await line.close()


async def test_the_cached_snapshot_of_a_sale_that_is_no_longer_loaded_is_dropped(
    load_sale: LoadSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 0)
    sale = load_sale()
    line = open_async_line()
    try:
        seen = Snapshots(line)
        assert await seen.get(7) is not None
        sale.line.invalidate(7)
        assert await seen.get(7) is None
        assert kept(seen) == 0
    finally:
        await line.close()


async def look(seen: Snapshots) -> CachedSnapshot:
    """The snapshot of sale 7, which is loaded."""
    sale = await seen.get(7)
    assert sale is not None
    return sale


async def test_made_up_sales_take_few_of_the_connections_that_purchases_need(
    load_sale: LoadSale, server: redis.Redis
) -> None:
    load_sale()
    line = open_async_line()
    try:
        seen = Snapshots(line)
        await seen.get(7)
        hold_writes(server)
        strangers = [asyncio.create_task(seen.get(sale_id)) for sale_id in range(100, 150)]
        await wait_until_async(
            "held(server) == snapshots.UNCACHED_READS_MAX", lambda: held(server) == snapshots.UNCACHED_READS_MAX
        )
        known = asyncio.create_task(line.run(commands.admit(7, ["olga"])))
        await wait_until_async(
            "held(server) == snapshots.UNCACHED_READS_MAX + 1", lambda: held(server) == snapshots.UNCACHED_READS_MAX + 1
        )
        release_writes(server)

        assert (await known).places == [1]
        assert await asyncio.gather(*strangers) == [None] * 50
    finally:
        await line.close()


def kept(seen: Snapshots) -> int:
    """Return the number of entries in all its tables."""
    return sum(len(table) for table in vars(seen).values() if isinstance(table, dict))


# --- wait estimate ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places_per_second", "ahead", "eta_s"),
    [(0.0, 0, None), (0.0, 500, None), (50.0, 0, 1), (50.0, 49, 1), (50.0, 50, 2), (50.0, 1000, 21), (0.5, 3, 7)],
)
def test_a_wait_is_estimated_from_the_pace_of_the_line(
    load_sale: LoadSale, places_per_second: float, ahead: int, eta_s: int | None
) -> None:
    assert CachedSnapshot(load_sale().snapshot(), 0.0, places_per_second).eta_seconds(ahead) == eta_s


async def test_a_line_that_moves_has_an_estimated_wait(load_sale: LoadSale, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 0)
    monkeypatch.setattr(snapshots, "RATE_WINDOW_SECONDS", 0.02)
    sale = load_sale(stock=1000, line_limit=1000)
    sale.admit(*(f"b{number}" for number in range(900)))
    line = open_async_line()
    try:
        seen = Snapshots(line)
        first = await look(seen)
        assert first.places_per_second == 0
        sale.reserve_places("c1", upto=300)
        while (later := await look(seen)).places_per_second == 0:
            assert later.rate_from == (first.read_at, 0)
        assert later.places_per_second == 300 / (later.read_at - first.read_at)
        assert later.rate_from == (later.read_at, 300)
    finally:
        await line.close()


async def test_a_rebuilt_line_is_measured_afresh(load_sale: LoadSale, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pointer may go back in a new epoch; the estimate must not say that the wait is over."""
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 0)
    monkeypatch.setattr(snapshots, "RATE_WINDOW_SECONDS", 0)
    sale = load_sale(stock=1000, pointer=500)
    line = open_async_line()
    try:
        seen = Snapshots(line)
        await seen.get(7)
        sale.rebuild(sale.config(stock=1000), epoch=2, pointer=20)

        rebuilt = await look(seen)

        assert (rebuilt.places_per_second, rebuilt.rate_from[1]) == (0.0, 20)
        assert rebuilt.eta_seconds(10) is None
    finally:
        await line.close()
