"""The assertions of the simulation say what differs, as those of a test do."""

import pytest

pytest.register_assert_rewrite("tests.simulation.lockstep", "tests.simulation.machine")
