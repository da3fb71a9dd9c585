"""The broker refuses or stalls: purchases continue, and none is lost half-way."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from devtools.embedded.valkey import Valkey
from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from tests.faults.conftest import MakeCase, OpenShop
from tests.faults.proxy import Proxy


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Valkey]:
    """A broker separate from the line's Valkey."""
    running = Valkey(tmp_path / "broker")
    running.start()
    yield running
    running.stop()


@pytest.mark.parametrize("how", ["refused", pytest.param("stalled", marks=pytest.mark.thorough)])
def test_while_publishing(open_shop: OpenShop, make_case: MakeCase, broker: Valkey, how: str) -> None:
    with Proxy(broker.port) as proxy:
        shop = open_shop(environment={"CELERY_BROKER_URL": f"redis://127.0.0.1:{proxy.port}/1"})
        case = make_case(shop)
        if how == "refused":
            proxy.refuse()
        else:
            proxy.stall()
        slowest = 0.0
        with httpx.Client(base_url=shop.address, timeout=WAIT_SECONDS_MAX) as client:
            for buyer in case.buyers[:20]:
                bearer = {"Authorization": f"Bearer {buyer.token}"}
                began = time.monotonic()
                assert client.post(f"/api/sales/{case.sale}/purchase", headers=bearer).status_code == 202
                slowest = max(slowest, time.monotonic() - began)
        case.took(slowest, at_most=2)
        with case:
            case.await_accepted(len(case.buyers))
            assert shop.orders(case.sale) == []
            assert shop.books(case.sale)["reservations"] == 0  # no purchase is left half-way
            wait_until("publishing failed", lambda: "doorbell_not_rung" in shop.log("web"))
            case.broken()
            proxy.mend()
            case.recovers(within_seconds=15)
