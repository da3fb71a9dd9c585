"""Valkey: killed, paused, truncated, wiped and full."""

import os
import signal
import time
from pathlib import Path

import pytest

from devtools.waiting import wait_until
from seckill.line.keys import sale_keys
from tests.faults.conftest import MakeCase, OpenShop
from tests.faults.shop import FaultyShop
from tests.visitor import post


def restart(shop: FaultyShop) -> None:
    """SIGKILL, then a new process on the same files."""
    shop.valkey.stop(signal.SIGKILL)
    shop.valkey.start()


def test_killed_and_restarted(shop: FaultyShop, make_case: MakeCase) -> None:
    case = make_case(shop)
    with case:
        case.await_accepted(30)
        case.broken()
        restart(shop)
        case.recovers()


@pytest.mark.thorough
def test_restarted_five_times_under_load(shop: FaultyShop, make_case: MakeCase) -> None:
    case = make_case(shop, within_seconds=10.0)
    with case:
        for count in (5, 25, 45, 65, 85):
            case.await_accepted(count)
            case.broken()
            restart(shop)
        case.recovers(within_seconds=15)


def append_only_file(shop: FaultyShop) -> Path:
    """Return the incremental append-only file."""
    (file,) = (shop.valkey.directory / "appendonlydir").glob("*.incr.aof")
    return file


def test_killed_and_its_last_second_is_cut_off(open_shop: OpenShop, make_case: MakeCase) -> None:
    shop = open_shop(valkey_flags=["--appendfsync", "everysec"])
    case = make_case(shop, poll_seconds=2.0, held_back=60)
    with case:
        case.await_accepted(60)
        kept = append_only_file(shop).stat().st_size
        case.crowd.let_in()
        case.await_accepted(90)
        case.broken()
        shop.valkey.stop(signal.SIGKILL)
        with append_only_file(shop).open("r+b") as file:
            file.truncate(kept)
        shop.valkey.start()
        case.recovers(within_seconds=20)


@pytest.mark.thorough
def test_paused_for_twelve_seconds(shop: FaultyShop, make_case: MakeCase) -> None:
    case = make_case(shop)
    assert shop.valkey.process is not None
    with case:
        case.await_accepted(30)
        shop.valkey.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            answer = post(
                f"{shop.address}/api/sales/{case.sale}/purchase",
                headers={"Authorization": f"Bearer {case.buyers[-1].token}"},
            )
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "2"
            case.took(time.monotonic() - began, at_most=4)
            wait_until("twelve seconds are over", lambda: time.monotonic() - began > 12)
        finally:
            shop.valkey.process.send_signal(signal.SIGCONT)
        case.broken()
        case.recovers()


def test_wiped_in_the_middle_of_the_sale(shop: FaultyShop, make_case: MakeCase) -> None:
    case = make_case(shop, poll_seconds=2.0)
    with case:
        case.await_accepted(80)
        wait_until("some have their orders", lambda: len(shop.orders(case.sale)) >= 20)
        # While frozen, these two cannot repair the damage before the test has seen it.
        for part in ("worker", "beat"):
            os.killpg(shop.processes[part].pid, signal.SIGSTOP)
        with shop.line() as line:
            line.flushall()
        bearer = {"Authorization": f"Bearer {case.buyers[-1].token}"}
        address = f"{shop.address}/api/sales/{case.sale}/purchase"
        answer = post(address, headers=bearer)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.json()["code"] == "recovering"
        case.broken()
        for part in ("worker", "beat"):
            os.killpg(shop.processes[part].pid, signal.SIGCONT)
        wait_until("the gate admits again", lambda: post(address, headers=bearer).status_code == 202)
        case.took(case.now() - case.broken_at, at_most=10)
        case.recovers(within_seconds=15)


def test_out_of_memory(open_shop: OpenShop, make_case: MakeCase) -> None:
    shop = open_shop()
    case = make_case(shop, held_back=60)
    with case, shop.line() as line:
        case.await_accepted(30)
        line.config_set("maxmemory", "1mb")
        length = line.llen(sale_keys(case.sale).line)
        case.crowd.let_in()
        wait_until("buyers are refused", lambda: case.crowd.answers["purchase 503"] >= 10)
        places = sale_keys(case.sale).places
        newcomer = next(buyer for buyer in case.buyers if not line.hexists(places, buyer.name))
        bearer = {"Authorization": f"Bearer {newcomer.token}"}
        answer = post(f"{shop.address}/api/sales/{case.sale}/purchase", headers=bearer)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert line.info("stats")["evicted_keys"] == 0
        assert line.llen(sale_keys(case.sale).line) == line.hlen(sale_keys(case.sale).places) == length
        line.config_set("maxmemory", "0")
        case.broken()
        case.recovers()
