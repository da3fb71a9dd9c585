"""Servers restart under a running shop."""

import asyncio
import signal

from devtools.waiting import wait_until
from tests.shop.conftest import OpenShop
from tests.shop.crowd import Crowd


def test_valkey_is_killed_and_nobody_who_was_answered_is_lost(open_shop: OpenShop) -> None:
    shop = open_shop(stock=30)
    first = shop.manage("issue_passes", "1", "--count", "20", "--prefix", "first").split()
    then = shop.manage("issue_passes", "1", "--count", "25", "--prefix", "then").split()
    crowd = Crowd()
    asyncio.run(crowd.buy(shop.address, first))
    asyncio.run(crowd.poll(shop.address))
    assert crowd.with_status("confirmed") == list(range(1, 21))

    shop.valkey.stop(signal.SIGKILL)
    wait_until("the gate says that it can't", lambda: shop.progress() == {})
    shop.valkey.start()
    wait_until("the gate serves again", lambda: shop.progress().get("admitted") == 20)
    asyncio.run(crowd.buy(shop.address, then))
    asyncio.run(crowd.poll(shop.address))

    assert crowd.statuses.keys() == {200, 202}
    assert crowd.with_status("confirmed") == list(range(1, 31))
    assert crowd.with_status("waitlisted") == list(range(31, 46))
    # The parts connected to them need no restart. The pinned Celery version was chosen for that.
    assert [name for name, process in shop.processes.items() if process.poll() is not None] == []
    assert "sale 1: agrees" in shop.manage("reconcile")
