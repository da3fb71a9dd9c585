"""``manage.py runserver`` serves a shop that sells."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.embedded.shop import BEAT, WORKER, Shop
from devtools.waiting import wait_until
from tests.shop.conftest import seed
from tests.visitor import get, post


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop whose web process is ``runserver``."""
    with tempfile.TemporaryDirectory(prefix="seckill-shop-") as directory:
        shop = Shop(Path(directory), seed(), {}, {"SECKILL_LOG_LEVEL": "INFO", "DEBUG": "1"})
        web = ("manage.py", "runserver", "--noreload", f"127.0.0.1:{shop.port}")
        shop.parts = {"web": web, "worker": WORKER, "beat": BEAT}
        shop.open(stock=2)
        yield shop
        shop.close()
        for name in shop.parts:
            print(f"--- {name}\n{shop.log(name)[-4000:]}")


def test_a_buyer_gets_a_pass_buys_and_polls_until_the_order(shop: Shop) -> None:
    account = {"username": "ann", "password": "seven-odd-kettles"}
    registered = post(f"{shop.address}/api/auth/register", json=account)
    assert registered.status_code == 201
    cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in registered.cookies.items())}
    headers = {**cookies, "X-CSRFToken": registered.cookies["csrftoken"]}

    issued = post(f"{shop.address}/api/sales/1/pass", headers=headers)
    assert issued.status_code == 200
    bought = post(f"{shop.address}/api/sales/1/purchase", headers={"Authorization": f"Bearer {issued.json()['pass']}"})
    assert (bought.status_code, bought.json()["place"]) == (202, 1)
    ticket = f"{shop.address}/api/tickets/{bought.json()['ticket']}"
    wait_until("an order", lambda: get(ticket).json()["status"] == "confirmed")

    assert shop.sql("SELECT place, status FROM orders_order WHERE sale_id = 1") == [(1, "pending")]
    assert get(f"{shop.address}/sales/1/").status_code == 200
    assert get(f"{shop.address}/static/shop/js/api.js").status_code == 200
