"""RabbitMQ as the broker: killed, and out of memory"""

import time

import httpx
import pytest

from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from tests.faults.conftest import MakeCase, OpenShop
from tests.rabbitmq import VHOST, Rabbit


def test_killed_and_restarted(open_shop: OpenShop, make_case: MakeCase, rabbit: Rabbit) -> None:
    shop = open_shop(environment={"CELERY_BROKER_URL": rabbit.url})
    case = make_case(shop, held_back=60)
    with case:
        case.await_accepted(20)
        rabbit.kill()
        case.crowd.let_in()
        case.await_accepted(len(case.buyers))  # purchases do not need the broker
        rabbit.start()
        case.broken()
        case.recovers(within_seconds=15)
    queues = dict(
        line.split("\t")
        for line in rabbit.control("list_queues", "--vhost", VHOST, "name", "type").stdout.splitlines()[1:]
    )
    assert (queues["orders"], queues["default"]) == ("quorum", "quorum")


@pytest.mark.thorough
def test_memory_alarm(open_shop: OpenShop, make_case: MakeCase, rabbit: Rabbit) -> None:
    shop = open_shop(environment={"CELERY_BROKER_URL": rabbit.url})
    case = make_case(shop)
    rabbit.control("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        wait_until("the alarm", lambda: "memory" in rabbit.control("eval", "rabbit_alarm:get_alarms().").stdout)
        slowest = 0.0
        with httpx.Client(base_url=shop.address, timeout=WAIT_SECONDS_MAX) as client:
            for buyer in case.buyers[:20]:
                began = time.monotonic()
                bearer = {"Authorization": f"Bearer {buyer.token}"}
                assert client.post(f"/api/sales/{case.sale}/purchase", headers=bearer).status_code == 202
                slowest = max(slowest, time.monotonic() - began)
        case.took(slowest, at_most=2)
        wait_until("publishing gives up", lambda: "doorbell_not_rung" in shop.log("web"))
    finally:
        rabbit.control("set_vm_memory_high_watermark", "0.6")
    case.broken()
    with case:
        case.recovers(within_seconds=15)
