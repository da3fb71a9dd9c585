"""Doorbell: joining the line rings for a worker, without waiting for the worker or the broker."""

import asyncio
import gc
import itertools
from base64 import b64decode
from typing import cast

import pytest
import redis

from devtools.embedded.valkey import Valkey
from devtools.waiting import wait_until_async
from seckill.gate.doorbell import Doorbell
from tests import servers
from tests.gate.caller import ask
from tests.gate.conftest import Broker
from tests.gate.gate_server import (
    GateServer,
    good_pass,
    held,
    hold_writes,
    open_gate_server,
    read_json,
    release_writes,
)
from tests.line.conftest import LoadSale


def bells(url: str) -> list[tuple[str, list[int]]]:
    """Return (task, arguments) of the messages in the order workers' queue, oldest first."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        messages = [read_json(text) for text in cast("list[str]", client.lrange("orders", 0, -1))]
    return [(message["headers"]["task"], read_json(b64decode(message["body"]))[0]) for message in reversed(messages)]


SETTLE = "celery_task.order_task.settle_orders"


async def test_a_purchase_rings_for_its_place(load_sale: LoadSale) -> None:
    load_sale(stock=3)
    async with open_gate_server() as gate_server:
        await gate_server.purchase(7, "olga")

    assert bells(servers.valkey.url(1)) == [(SETTLE, [7, 1])]


async def test_a_batch_rings_once_up_to_its_newest_place(load_sale: LoadSale) -> None:
    load_sale(stock=3)
    async with open_gate_server() as gate_server:
        gate = gate_server.application.gate
        await asyncio.gather(
            *(
                ask(gate, "POST", "/api/sales/7/purchase", f"Bearer {good_pass(7, f'b{number}')}")
                for number in range(64)
            )
        )

    assert bells(servers.valkey.url(1)) == [(SETTLE, [7, 64])]


async def test_those_who_join_while_it_rings_share_the_next_ring(
    load_sale: LoadSale, own_valkey: Valkey, broker: Broker
) -> None:
    broker.move(own_valkey.url(0))
    load_sale(stock=30)
    with redis.Redis.from_url(own_valkey.url(0)) as client:
        async with open_gate_server() as gate_server:
            hold_writes(client)
            await gate_server.purchase(7, "first")
            await wait_until_async("the server holds a connection", lambda: held(client) == 1)
            for number in range(2, 12):
                assert (await gate_server.purchase(7, f"b{number}")).json()["place"] == number
            release_writes(client)

    assert bells(own_valkey.url(0)) == [(SETTLE, [7, 1]), (SETTLE, [7, 11])]


async def test_a_late_ring_for_an_earlier_place_does_not_shorten_the_next(own_valkey: Valkey, broker: Broker) -> None:
    broker.move(own_valkey.url(0))
    with redis.Redis.from_url(own_valkey.url(0)) as client:
        hold_writes(client)
        doorbell = Doorbell()
        doorbell.ring(7, 1)
        await wait_until_async("the server holds a connection", lambda: held(client) == 1)
        doorbell.ring(7, 90)
        doorbell.ring(7, 40)
        release_writes(client)
        await doorbell.close()

    assert bells(own_valkey.url(0)) == [(SETTLE, [7, 1]), (SETTLE, [7, 90])]


async def test_every_sale_has_a_bell_of_its_own() -> None:
    doorbell = Doorbell()
    doorbell.ring(7, 3)
    doorbell.ring(8, 5)
    await doorbell.close()

    assert sorted(bells(servers.valkey.url(1))) == [(SETTLE, [7, 3]), (SETTLE, [8, 5])]


async def test_nobody_rings_for_a_waitlist(load_sale: LoadSale) -> None:
    sale = load_sale(stock=1)
    sale.admit("olga")
    sale.confirm_all(sale.reserve_places("c1"))
    async with open_gate_server() as gate_server:
        assert (await gate_server.purchase(7, "amir")).json()["place"] == 2

    assert bells(servers.valkey.url(1)) == []


async def test_nobody_rings_when_nobody_waits(load_sale: LoadSale) -> None:
    sale = load_sale(stock=5)
    sale.admit("olga")
    sale.confirm_all(sale.reserve_places("c1"))
    async with open_gate_server() as gate_server:
        assert (await gate_server.purchase(7, "olga")).status_code == 202

    assert bells(servers.valkey.url(1)) == []


async def test_nobody_rings_for_a_refused_purchase(load_sale: LoadSale) -> None:
    load_sale(status="paused")
    async with open_gate_server() as gate_server:
        assert (await gate_server.purchase(7, "olga")).status_code == 403

    assert bells(servers.valkey.url(1)) == []


async def test_a_broker_that_is_away_costs_nobody_a_place(
    load_sale: LoadSale, dead_address: str, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.move(dead_address)
    sale = load_sale(stock=3)
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    async with open_gate_server() as gate_server:
        places = [(await gate_server.purchase(7, buyer)).json()["place"] for buyer in ("olga", "amir", "bea")]
        await wait_until_async("'doorbell_not_rung' in caplog.text", lambda: "doorbell_not_rung" in caplog.text)

    assert places == [1, 2, 3]
    assert sale.buyers_in_line() == ["olga", "amir", "bea"]
    assert sale.snapshot().waiting == 3  # the condition the sweeper looks for
    gc.collect()
    assert unhandled == []  # a failed doorbell is expected and logged in one line


async def test_a_broker_that_comes_back_gets_the_next_doorbell(
    load_sale: LoadSale, own_valkey: Valkey, broker: Broker
) -> None:
    broker.move(own_valkey.url(0))
    sale = load_sale(stock=30)
    async with open_gate_server() as gate_server:
        await gate_server.purchase(7, "olga")
        await wait_until_async(
            "bells(own_valkey.url(0)) == [(SETTLE, [7, 1])]", lambda: bells(own_valkey.url(0)) == [(SETTLE, [7, 1])]
        )
        own_valkey.stop()
        assert (await gate_server.purchase(7, "amir")).json()["place"] == 2
        assert (await gate_server.purchase(7, "bea")).json()["place"] == 3
        own_valkey.start()
        await purchase_until_rung(gate_server, own_valkey)

    newest = sale.line.length(7)
    assert bells(own_valkey.url(0))[-1] == (SETTLE, [7, newest])


async def purchase_until_rung(gate_server: GateServer, broker: Valkey) -> None:
    """Purchase until a doorbell is sent: the one after a failure may use the old, broken connection."""
    numbers = itertools.count()

    async def rung() -> bool:
        await gate_server.purchase(7, f"next{next(numbers)}")
        return len(bells(broker.url(0))) > 1

    await wait_until_async("a doorbell rings again", rung)


async def test_a_closing_gate_rings_what_is_left(own_valkey: Valkey, broker: Broker) -> None:
    broker.move(own_valkey.url(0))
    with redis.Redis.from_url(own_valkey.url(0)) as client:
        hold_writes(client)
        doorbell = Doorbell()
        doorbell.ring(7, 1)
        await wait_until_async("the server holds a connection", lambda: held(client) == 1)
        doorbell.ring(7, 2)
        closing = asyncio.create_task(doorbell.close())
        await asyncio.sleep(0)
        assert not closing.done()
        release_writes(client)
        await closing

    assert bells(own_valkey.url(0)) == [(SETTLE, [7, 1]), (SETTLE, [7, 2])]
