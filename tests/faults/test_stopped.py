"""Graceful stops: deployments and restarts lose no response that was sent."""

import os
import signal

import pytest

from devtools.embedded.shop import WORKER
from devtools.waiting import wait_until
from tests.faults.conftest import MakeCase, OpenShop
from tests.faults.shop import PARTS, FaultyShop


def stop(shop: FaultyShop, name: str, sent: signal.Signals) -> None:
    """Send a signal to a part's main process, as an init system does, and wait until it has ended."""
    process = shop.processes.pop(name)
    process.send_signal(sent)
    process.wait(timeout=60)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(signal.SIGTERM, id="SIGTERM"),
        pytest.param(signal.SIGQUIT, id="SIGQUIT", marks=pytest.mark.thorough),
    ],
)
def test_a_busy_worker_is_told_to_stop(shop: FaultyShop, make_case: MakeCase, sent: signal.Signals) -> None:
    case = make_case(shop)
    with case:
        case.await_accepted(30)
        case.broken()
        stop(shop, "worker", sent)
        shop.supervise()
        case.recovers()


@pytest.mark.thorough
def test_two_workers_are_restarted_one_after_the_other(open_shop: OpenShop, make_case: MakeCase) -> None:
    shop = open_shop(parts={**PARTS, "second worker": (*WORKER, "--hostname", "second@%h")})
    case = make_case(shop, within_seconds=8.0)
    with case:
        case.await_accepted(10)
        case.broken()
        for name in ("worker", "second worker"):
            ready_before = shop.log(name).count(" ready.")
            stop(shop, name, signal.SIGTERM)
            shop.supervise()
            wait_until(f"{name} is back", lambda: shop.log(name).count(" ready.") > ready_before)  # noqa: B023
        case.recovers(within_seconds=30)


def test_the_web_is_told_to_reload(shop: FaultyShop, make_case: MakeCase) -> None:
    case = make_case(shop)
    old = set(shop.children("web"))
    with case:
        case.await_accepted(30)
        case.broken()
        os.kill(shop.processes["web"].pid, signal.SIGHUP)
        wait_until("new processes serve", lambda: len(set(shop.children("web")) - old) == len(old))
        case.recovers()
    assert case.crowd.answers["purchase 202"] == len(case.buyers)


def test_the_web_is_told_to_stop_and_started_again(shop: FaultyShop, make_case: MakeCase) -> None:
    case = make_case(shop)
    with case:
        case.await_accepted(30)
        case.broken()
        stop(shop, "web", signal.SIGTERM)
        shop.supervise()
        case.recovers()
    # Requests refused or cut off before a response, as in any restart. No client got an error response.
    broken = {"ConnectError", "ReadError", "RemoteProtocolError"}
    assert {answer.split(" ")[1] for answer in case.crowd.answers} <= {"202", "200", *broken}
