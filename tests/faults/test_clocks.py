"""Clocks: one process's clock is a minute off; no purchase is early, and no order expires more than that early."""

import time

import pytest

from devtools.embedded.shop import WORKER
from devtools.waiting import wait_until
from tests.faults.conftest import MakeCase, OpenShop
from tests.faults.shop import PARTS

OFF_SECONDS = 60


@pytest.mark.parametrize(
    "off",
    [
        pytest.param(OFF_SECONDS, id="a minute ahead"),
        pytest.param(-OFF_SECONDS, id="a minute behind", marks=pytest.mark.thorough),
    ],
)
@pytest.mark.parametrize(
    "part", ["worker", *(pytest.param(part, marks=pytest.mark.thorough) for part in ("web", "beat"))]
)
def test_one_clock_is_off(open_shop: OpenShop, make_case: MakeCase, part: str, off: int) -> None:
    shop = open_shop(clocks_off={part: off})
    case = make_case(shop)
    shop.set_opening(case.sale, time.time() + 3600)
    with case:
        wait_until("many are too early", lambda: case.crowd.answers["purchase 403"] >= len(case.buyers))
        opens_at = time.time() + 3
        shop.set_opening(case.sale, opens_at)
        case.broken()
        wait_until("the first buyer", lambda: case.crowd.accepted)
        assert time.time() >= opens_at
        case.recovers(within_seconds=20)
    orders = shop.sql(f"SELECT pay_before FROM orders_order WHERE sale_id = {case.sale}")
    written_at = [pay_before.timestamp() - 900 for (pay_before,) in orders]
    assert opens_at - OFF_SECONDS <= min(written_at) <= max(written_at) <= time.time() + OFF_SECONDS


@pytest.mark.thorough
def test_a_worker_whose_clock_is_ahead_expires_early_by_that_much_at_most(
    open_shop: OpenShop, make_case: MakeCase
) -> None:
    parts = {**PARTS, "fast worker": (*WORKER, "--hostname", "fast@%h")}
    shop = open_shop(parts=parts, clocks_off={"fast worker": OFF_SECONDS})
    shop.end("fast worker")
    case = make_case(shop, buyers=10, stock=10, within_seconds=0.1)
    shop.sql(f"UPDATE catalog_sale SET pay_within_seconds = {OFF_SECONDS + 8} WHERE id = {case.sale}")
    case.broken()
    with case:
        case.recovers()
        ((pay_before,),) = shop.sql(f"SELECT min(pay_before) FROM orders_order WHERE sale_id = {case.sale}")
        shop.end("worker")
        shop.start("fast worker")
        wait_until("it expires the first", lambda: "expired" in {status for _, _, status in shop.orders(case.sale)})
        assert time.time() >= pay_before.timestamp() - OFF_SECONDS
