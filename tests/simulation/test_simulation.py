"""Random sales: no unit is sold twice, and no buyer with a ticket is lost.

One machine drives a model of Redis, ledger and clock at high speed, and then the model and the product side by side. On
failure it prints the shortest failing sequence. A seed always produces the same walk:

    SEED=42 .venv/bin/python -m pytest tests/simulation         another walk
    STEPS=1000000 .venv/bin/python -m pytest tests/simulation -k modelled       a long one
    DATABASE_URL=sqlite:///ledger.sqlite3 .venv/bin/python -m pytest tests/simulation       on SQLite
"""

import os

import pytest

from seckill.line.commands import LUA_DIR, SaleConfig
from tests.simulation.happening import HAPPENINGS
from tests.simulation.lockstep import Lockstep
from tests.simulation.machine import LEDGER_REFUSED
from tests.simulation.model_world import ModelWorld
from tests.simulation.network import Network
from tests.simulation.real_world import THE_TIME, RealWorld
from tests.simulation.walk import walk

SEED = int(os.environ.get("SEED", "1"))
STEPS = int(os.environ.get("STEPS", "20000"))
REAL_STEPS = int(os.environ.get("REAL_STEPS", "600"))
STEPS_A_WALK = 50
SPARE = 1.8  # some walks end before they have taken all their steps


def walks(steps: int) -> int:
    return int(steps * SPARE / STEPS_A_WALK)


def model_and_product(config: SaleConfig, *, durable: bool, network: Network) -> Lockstep:
    return Lockstep(
        ModelWorld(config, durable=durable, network=network),
        RealWorld(config, durable=durable, network=Network(twice=network.twice)),
    )


def test_a_modelled_sale_keeps_its_promises() -> None:
    print(f"SEED={SEED}")

    walked = walk(ModelWorld, walks=walks(STEPS), steps=STEPS_A_WALK, seed_number=SEED)

    assert walked.happened.total() >= STEPS
    assert set(walked.happened) == set(HAPPENINGS)
    assert set(walked.broken_off) == {"ConnectionError", "SaleNotLoadedError", LEDGER_REFUSED}


@pytest.mark.django_db(transaction=True)
def test_the_product_does_as_the_model() -> None:
    print(f"SEED={SEED}")

    walked = walk(model_and_product, walks=walks(REAL_STEPS), steps=STEPS_A_WALK, seed_number=SEED)

    assert walked.happened.total() >= REAL_STEPS
    assert set(walked.broken_off) >= {"ConnectionError", "SaleNotLoadedError"}


def test_the_scripts_ask_for_the_time_in_the_way_that_is_replaced() -> None:
    sources = [path.read_text(encoding="utf-8") for path in LUA_DIR.glob("*.lua")]

    assert sum(source.count(THE_TIME) for source in sources) == sum(source.count("'TIME'") for source in sources) == 1
