"""Ordered calls: concurrent calls run in order, and each caller gets its own reply, also after faults."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
import redis.asyncio

from devtools.waiting import WAIT_SECONDS_MAX, wait_until_async
from seckill.line import commands
from seckill.line import line as line_module
from seckill.line.commands import Admission, SaleNotLoadedError
from seckill.line.keys import sale_keys
from seckill.line.line import AsyncLine, open_async_line
from tests import servers
from tests.gate.gate_server import held, hold_writes, release_writes
from tests.line.conftest import LoadSale


@pytest.fixture
def server() -> redis.Redis:
    return redis.Redis.from_url(servers.valkey.url(0), decode_responses=True)


@pytest.fixture
async def ordered(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncLine]:
    """A line with long time-outs, for slow machines."""
    monkeypatch.setattr(line_module, "SOCKET_TIMEOUT_SECONDS", WAIT_SECONDS_MAX)
    line = open_async_line()
    yield line
    await line.close()


def admit(line: AsyncLine, *buyers: str) -> asyncio.Task[Admission]:
    return asyncio.create_task(line.run_in_order(commands.admit(7, buyers)))


def writers(server: redis.Redis) -> list[str]:
    """Return the connections whose last command was a full script, as only ordered calls send."""
    return [one["id"] for one in server.client_list() if one["cmd"] == "eval"]


async def test_calls_under_way_together_run_in_order_on_one_connection(
    ordered: AsyncLine, load_sale: LoadSale, server: redis.Redis
) -> None:
    sale = load_sale()
    hold_writes(server)
    calls = [admit(ordered, f"a{number}", f"b{number}") for number in range(20)]
    await wait_until_async("the server holds a connection", lambda: held(server) == 1)
    await asyncio.sleep(0)
    release_writes(server)

    assert [(await call).places for call in calls] == [[2 * n + 1, 2 * n + 2] for n in range(20)]
    assert sale.buyers_in_line() == [f"{letter}{number}" for number in range(20) for letter in "ab"]
    assert len(writers(server)) == 1


async def test_a_connection_that_breaks_costs_nobody_their_reply(
    ordered: AsyncLine, load_sale: LoadSale, server: redis.Redis
) -> None:
    load_sale()
    await admit(ordered, "first")
    hold_writes(server)
    calls = [admit(ordered, buyer) for buyer in ("olga", "amir", "wei")]
    await wait_until_async("the server holds a connection", lambda: held(server) == 1)

    for client in writers(server):
        server.client_kill_filter(_id=client)
    release_writes(server)

    places = [(await call).places for call in calls]
    assert sorted(places) == [[2], [3], [4]]
    assert [(await admit(ordered, buyer)).places for buyer in ("olga", "amir", "wei")] == places


async def test_a_server_that_does_not_answer_fails_all_calls_and_the_next_gets_its_own_reply(
    ordered: AsyncLine, load_sale: LoadSale, server: redis.Redis
) -> None:
    load_sale()
    connect = ordered.client.connection_pool.connection_kwargs
    connect["socket_timeout"] = 0.1
    hold_writes(server)
    calls = [admit(ordered, buyer) for buyer in ("olga", "amir")]

    failed = await asyncio.gather(*calls, return_exceptions=True)
    release_writes(server)

    assert [type(error) for error in failed] == [redis.TimeoutError, redis.ConnectionError]
    connect["socket_timeout"] = WAIT_SECONDS_MAX
    assert (await admit(ordered, "wei")).places == [1]
    assert (await admit(ordered, "wei", "late")).places == [1, 2]


async def test_calls_that_begin_while_the_connection_breaks_are_made_again(
    ordered: AsyncLine, load_sale: LoadSale, server: redis.Redis
) -> None:
    load_sale()
    calls: list[asyncio.Task[Admission]] = []
    for round_ in range(30):
        await admit(ordered, f"first-{round_}")
        [connection] = writers(server)
        hold_writes(server)
        calls.append(admit(ordered, f"under-way-{round_}"))
        await wait_until_async("the server holds a connection", lambda: held(server) == 1)
        server.client_kill_filter(_id=connection)
        for number in range(12):  # each in another turn of the event loop
            calls.append(admit(ordered, f"{round_}-{number}"))
            await asyncio.sleep(0)
        release_writes(server)
        assert len({(await call).places[0] for call in calls}) == len(calls)


async def test_a_server_that_accepts_connections_and_sends_nothing_is_tried_three_times_for_all(
    ordered: AsyncLine,
) -> None:
    tried: list[asyncio.StreamWriter] = []
    mute = await asyncio.start_server(lambda _, writer: tried.append(writer), "127.0.0.1", 0)
    ordered.client.connection_pool.connection_kwargs |= {
        "port": mute.sockets[0].getsockname()[1],
        "socket_timeout": 1,
    }
    failed = await asyncio.gather(*[admit(ordered, f"b{number}") for number in range(50)], return_exceptions=True)

    assert {type(error) for error in failed} == {redis.TimeoutError, redis.ConnectionError}
    assert len(tried) < 10  # a call that comes after the pause starts a new one
    for writer in tried:
        writer.close()
    mute.close()


async def test_a_server_that_is_away_is_a_fault_and_its_return_is_noticed(
    ordered: AsyncLine, load_sale: LoadSale
) -> None:
    load_sale()
    connect = ordered.client.connection_pool.connection_kwargs
    port, connect["port"] = connect["port"], 1
    with pytest.raises(redis.ConnectionError):
        await admit(ordered, "olga")

    connect["port"] = port
    assert (await admit(ordered, "olga")).places == [1]


@pytest.mark.parametrize("first", [True, False], ids=["reading", "waiting to read"])
async def test_whoever_gives_up_does_not_leave_a_reply_to_the_next(
    ordered: AsyncLine, load_sale: LoadSale, server: redis.Redis, *, first: bool
) -> None:
    load_sale()
    await admit(ordered, "first")
    hold_writes(server)
    calls = {buyer: admit(ordered, buyer) for buyer in ("olga", "amir", "wei")}
    await wait_until_async("the server holds a connection", lambda: held(server) == 1)

    gone = calls.pop("olga" if first else "amir")
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    release_writes(server)

    for buyer, call in calls.items():
        assert (await call).places == (await admit(ordered, buyer)).places
    assert len({(await call).places[0] for call in calls.values()}) == 2


async def test_an_error_reply_of_the_server_is_raised_and_disturbs_no_other_call(
    ordered: AsyncLine, load_sale: LoadSale, server: redis.Redis
) -> None:
    load_sale()
    await admit(ordered, "first")
    connections = writers(server)
    server.set(sale_keys(8).meta, "not a hash")
    unknown = asyncio.create_task(ordered.run_in_order(commands.admit(9, ["olga"])))
    wrong = asyncio.create_task(ordered.run_in_order(commands.admit(8, ["olga"])))
    right = admit(ordered, "olga")

    with pytest.raises(SaleNotLoadedError):
        await unknown
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        await wrong
    assert (await right).places == [2]
    assert writers(server) == connections


async def test_a_server_that_has_lost_its_scripts_gets_them_once(
    ordered: AsyncLine, load_sale: LoadSale, server: redis.Redis
) -> None:
    load_sale()
    await admit(ordered, "olga")
    server.script_flush()

    assert [(await call).places for call in [admit(ordered, "amir"), admit(ordered, "wei")]] == [[2], [3]]


async def test_a_connection_of_the_pool_that_closes_as_it_is_written_to_is_replaced(
    ordered: AsyncLine, load_sale: LoadSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_sale()
    await ordered.run(commands.admit(7, ["olga"]))
    send = redis.asyncio.Connection.send_packed_command
    broken: list[redis.asyncio.Connection] = []

    async def break_first(connection: Any, *args: Any, **options: Any) -> None:
        if not broken:
            broken.append(connection)
            connection._writer.transport.abort()
            await asyncio.sleep(0.01)
        await send(connection, *args, **options)

    monkeypatch.setattr(redis.asyncio.Connection, "send_packed_command", break_first)

    assert (await ordered.run(commands.admit(7, ["amir"]))).places == [2]
    assert len(broken) == 1
