"""Random walks of the machine."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machine import Machine, MakeWorld


@dataclass(frozen=True)
class Walked:
    """Counts of events, and of interruptions by error."""

    happened: Counter[str]
    broken_off: Counter[str]


def walk(make_world: MakeWorld, *, walks: int, steps: int, seed_number: int, shorten: bool = True) -> Walked:
    """Run ``walks`` random walks of ``steps`` steps each.

    Raises AssertionError when an invariant is violated. The steps to it are shrunk and printed, which takes a while.
    """
    walked = Walked(Counter(), Counter())
    members = {
        "make_world": staticmethod(make_world),
        "happened": walked.happened,
        "broken_off": walked.broken_off,
    }
    run_state_machine_as_test(
        seed(seed_number)(type("Simulation", (Machine,), members)),
        settings=settings(
            max_examples=walks,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            print_blob=True,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink] if shorten else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    return walked
