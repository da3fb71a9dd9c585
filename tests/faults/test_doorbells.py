"""Doorbells: a message that is lost, doubled, late or out of order changes no result."""

from collections.abc import Callable

import pytest
import redis

from devtools.waiting import wait_until
from tests.faults.conftest import MakeCase
from tests.faults.shop import FaultyShop

QUEUE = "orders"
Bells = list[bytes]

DELIVERED: dict[str, Callable[[Bells], Bells]] = {
    "lost": lambda _: [],
    "twice": lambda bells: bells * 2,
    "ten times": lambda bells: bells * 10,
    "in reverse": lambda bells: bells[::-1],
}


def bells_on_the_way(broker: redis.Redis) -> Bells:
    """Take all messages out of the queue, the next one to be delivered first."""
    with broker.pipeline() as pipeline:
        pipeline.lrange(QUEUE, 0, -1)
        pipeline.delete(QUEUE)
        taken, _ = pipeline.execute()
    return list(reversed(taken))


@pytest.mark.parametrize(
    "how",
    ["lost", *(pytest.param(how, marks=pytest.mark.thorough) for how in ("late", "twice", "ten times", "in reverse"))],
)
def test_delivered(shop: FaultyShop, make_case: MakeCase, how: str) -> None:
    case = make_case(shop)
    with redis.Redis.from_url(shop.environment["CELERY_BROKER_URL"]) as broker:
        shop.end("worker")
        with case:
            case.await_accepted(len(case.buyers))
            wait_until("the last doorbell", lambda: broker.llen(QUEUE) >= 5)  # the buyers came in many batches
            bells = bells_on_the_way(broker)
            assert len(bells) >= 5
            case.broken()
            if how in DELIVERED:
                for bell in DELIVERED[how](bells):
                    broker.lpush(QUEUE, bell)
            shop.supervise()
            case.recovers()
            if how == "late":  # after all places were settled without them
                for bell in bells:
                    broker.lpush(QUEUE, bell)
                wait_until("the late ones are heard", lambda: broker.llen(QUEUE) == 0)
                wait_until("and done with", lambda: broker.hlen("unacked") == 0)
                case.audit()
