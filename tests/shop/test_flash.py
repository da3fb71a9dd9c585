"""A crowd of 2,000 for 100 units, on real processes."""

import asyncio
import os
import re
import selectors
import signal
import socket
from collections import Counter
from contextlib import ExitStack

from devtools.embedded.shop import Shop
from devtools.waiting import wait_until, wait_until_async
from tests.shop.conftest import OpenShop
from tests.shop.crowd import Crowd
from tests.visitor import get, post

BUYERS = 2000
STOCK = 100


def orders_of(shop: Shop) -> list[tuple[int, str, str]]:
    """Return (place, buyer, status) of every order of sale 1 in the ledger, by place."""
    rows = shop.sql("SELECT place, buyer, status FROM orders_order WHERE sale_id = 1 ORDER BY place")
    return [(place, buyer, status) for place, buyer, status in rows]


def assert_sold_to_the_first(shop: Shop, crowd: Crowd) -> None:
    """Check 100 orders at places 1-100, and an outcome for every other buyer."""
    assert set(crowd.statuses) <= {200, 202}, crowd.statuses
    assert crowd.statuses[202] == BUYERS
    assert sorted(place for place, _ in crowd.tickets.values()) == list(range(1, BUYERS + 1))
    assert crowd.with_status("confirmed") == list(range(1, STOCK + 1))
    assert sorted(crowd.with_status("waitlisted") + crowd.with_status("sold_out")) == list(range(STOCK + 1, BUYERS + 1))
    orders = orders_of(shop)
    assert [place for place, _, _ in orders] == list(range(1, STOCK + 1))
    assert Counter(status for _, _, status in orders) == {"pending": STOCK}
    assert len({buyer for _, buyer, _ in orders}) == STOCK
    progress = shop.progress()
    assert (progress["state"], progress["remaining"], progress["admitted"]) == ("sold_out", 0, BUYERS)
    assert "sale 1: agrees" in shop.manage("reconcile")


def test_two_thousand_buyers_for_a_hundred_units(open_shop: OpenShop) -> None:
    shop = open_shop(stock=STOCK)
    passes = shop.manage("issue_passes", "1", "--count", str(BUYERS)).split()
    crowd = Crowd()

    async def rush() -> None:
        await crowd.buy(shop.address, passes)
        await crowd.poll(shop.address)

    asyncio.run(rush())

    assert_sold_to_the_first(shop, crowd)
    again = Crowd()
    asyncio.run(again.buy(shop.address, passes[:50]))
    assert again.tickets == {buyer_pass: crowd.tickets[buyer_pass] for buyer_pass in passes[:50]}
    assert len(orders_of(shop)) == STOCK


def test_the_worker_is_killed_in_the_middle(open_shop: OpenShop) -> None:
    shop = open_shop(stock=STOCK)
    passes = shop.manage("issue_passes", "1", "--count", str(BUYERS)).split()
    crowd = Crowd()

    async def rush() -> None:
        buying = asyncio.create_task(crowd.buy(shop.address, passes))
        await wait_until_async(
            "a part of the crowd has bought", lambda: len(crowd.tickets) >= STOCK // 4, interval_seconds=0.001
        )
        shop.end("worker", signal.SIGKILL)
        await buying
        shop.start("worker")
        await crowd.poll(shop.address)

    asyncio.run(rush())

    assert_sold_to_the_first(shop, crowd)


def test_purchases_are_accepted_while_no_worker_runs(open_shop: OpenShop) -> None:
    shop = open_shop(stock=STOCK)
    passes = shop.manage("issue_passes", "1", "--count", str(BUYERS)).split()
    shop.end("worker")
    crowd = Crowd()

    asyncio.run(crowd.buy(shop.address, passes))

    assert crowd.statuses == {202: BUYERS}
    assert orders_of(shop) == []
    assert shop.progress()["waiting"] == BUYERS

    shop.start("worker")
    asyncio.run(crowd.poll(shop.address))
    assert_sold_to_the_first(shop, crowd)


def test_a_banner_changed_in_sql_shows_by_itself(open_shop: OpenShop) -> None:
    shop = open_shop()
    address = f"{shop.address}/api/banners/"
    wait_until("the cache is filled", lambda: get(address).headers["X-Cache"] == "hit")
    shop.sql("UPDATE catalog_banner SET title = 'Seventeen left' WHERE id = 1")
    wait_until("the new title", lambda: get(address).json()[0]["title"] == "Seventeen left")
    assert get(address).headers["X-Cache"] == "hit"


def test_a_unit_not_paid_for_goes_to_the_next_in_line(open_shop: OpenShop) -> None:
    shop = open_shop(stock=1)
    first, second = shop.manage("issue_passes", "1", "--count", "2").split()
    crowd = Crowd()
    asyncio.run(crowd.buy(shop.address, [first, second], connections=1))
    asyncio.run(crowd.poll(shop.address))
    assert crowd.with_status("confirmed") == [1]
    assert crowd.with_status("waitlisted") == [2]

    number = crowd.outcomes[1]["order"]
    answer = post(f"{shop.address}/api/orders/{number}/cancel", headers={"Authorization": f"Bearer {first}"})
    assert answer.json()["status"] == "cancelled"

    def status_of(buyer_pass: str) -> object:
        return get(f"{shop.address}/api/tickets/{crowd.tickets[buyer_pass][1]}").json()["status"]

    wait_until("the second buyer is next", lambda: status_of(second) == "confirmed")
    assert status_of(first) == "released"
    assert [(place, status) for place, _, status in orders_of(shop)] == [(1, "cancelled"), (2, "pending")]
    assert re.search(r"settled.*places=2-2", shop.log("worker"))


def test_a_thousand_who_connect_while_the_web_is_busy_need_not_try_again(open_shop: OpenShop) -> None:
    shop = open_shop(stock=1)
    os.killpg(shop.processes["web"].pid, signal.SIGSTOP)  # under full load
    try:
        with ExitStack() as knocking, selectors.DefaultSelector() as selector:
            for _ in range(1000):
                knock = knocking.enter_context(socket.socket())
                knock.setblocking(False)
                knock.connect_ex(("127.0.0.1", shop.port))
                selector.register(knock, selectors.EVENT_WRITE)
            connected = 0
            while ready := selector.select(timeout=0.8):  # TCP retries a dropped SYN after a second
                for key, _ in ready:
                    selector.unregister(key.fileobj)
                    connected += 1
            assert connected == 1000
    finally:
        os.killpg(shop.processes["web"].pid, signal.SIGCONT)
