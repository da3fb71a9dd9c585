"""Enables pytest's assertion details in the simulation's helper modules."""

import pytest

pytest.register_assert_rewrite(
    "tests.simulation.at_rest", "tests.simulation.invariants", "tests.simulation.lockstep", "tests.simulation.machine"
)
