"""A process dies at the one moment when Redis has what the ledger lacks, or the other way round.

The simulation found these cases; in each the product once lost a buyer.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from seckill.line.commands import SaleConfig
from seckill.line.tickets import Ticket
from tests.simulation.clock import START_MS
from tests.simulation.network import Fault, Network
from tests.simulation.real_world import RealWorld
from tests.simulation.world import REJOIN_MS

pytestmark = pytest.mark.django_db(transaction=True)

HOUR_MS = 3_600_000


@pytest.fixture
def world() -> Iterator[RealWorld]:
    """A sale of one unit that is not loaded yet."""
    config = SaleConfig(1, START_MS - HOUR_MS, START_MS + HOUR_MS, "open", 20)
    world = RealWorld(config, durable=False, network=Network())
    yield world
    world.close()


def come_to_rest(world: RealWorld) -> None:
    for _ in range(3):
        world.advance(REJOIN_MS)
        for bell in world.sweep(None):
            world.settle(bell, None)
        world.give_back(None)
        world.reconcile(None)


def tickets(world: RealWorld, *buyers: str) -> list[Ticket]:
    return [answer for answer in world.join(buyers, None).answers if isinstance(answer, Ticket)]


def test_a_first_load_that_was_not_written_down_lets_nobody_be_forgotten(world: RealWorld) -> None:
    with pytest.raises(redis.ConnectionError):
        world.sweep(Fault(calls=3, reply_lost=True))  # snapshot, invalidate, rebuild; then the process dies
    [ann] = tickets(world, "ann")
    world.wipe()
    world.sweep(None)
    world.poll(ann, fresh=True, fault=None)

    assert world.kept().places == {"ann": 1}


def test_an_end_that_was_not_written_down_is_an_end_or_none(world: RealWorld) -> None:
    world.sweep(None)
    world.change(replace(world.books().config, status="closed"))
    world.sweep(None)
    with pytest.raises(redis.ConnectionError):
        world.sweep(Fault(calls=2, reply_lost=True))  # snapshot, snapshot, finish; then the process dies
    world.change(replace(world.books().config, status="open"))
    come_to_rest(world)

    assert (world.books().ended_ms is None) == isinstance(world.join(["ann"], None).answers[0], Ticket)


def test_a_paid_order_that_the_line_was_not_told_of_is_no_loss_when_the_sale_ends(world: RealWorld) -> None:
    world.sweep(None)
    ann, ben = tickets(world, "ann", "ben")
    slow = world.reserve("slow", 2, None)
    assert slow is not None
    assert slow.places == [(1, "ann")]
    world.wipe()
    world.sweep(None)
    world.poll(ben, fresh=True, fault=None)  # ann does not poll meanwhile
    world.advance(REJOIN_MS)
    assert world.settle(2, None) == 1
    world.cancel(2)
    world.write(slow, commit=True)  # a unit is free again; here the slow worker dies
    world.pay(1)
    come_to_rest(world)

    assert world.books().of("ann") is not None
    assert world.poll(ann, fresh=True, fault=None)["status"] == "confirmed"
