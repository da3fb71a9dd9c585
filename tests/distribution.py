"""Which tests share a worker of pytest-xdist, and which are fast (loaded by ``-p tests.distribution``)."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent

#: These tests share what is expensive to start, such as a cluster: all tests of a folder run in one worker.
ONE_WORKER_A_FOLDER = ("cluster",)
#: These start a shop or a browser for a module: all tests of a file run in one worker.
ONE_WORKER_A_FILE = ("browser", "faults")
#: These use no database and start no process except Valkey.
FAST = ("gate", "line")
#: Fixtures of a module in these folders that take seconds to make.
SHARED_FIXTURES = {"shop", "measured", "revisions"}
#: Fixtures of tests that are not fast.
SLOW_FIXTURES = SHARED_FIXTURES | {"db", "transactional_db"}


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests with their group, and fast ones as ``fast``."""
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        within = item.path.relative_to(TESTS)
        folder = within.parts[0]
        if folder in ONE_WORKER_A_FOLDER:
            item.add_marker(pytest.mark.xdist_group(folder))
        elif folder in ONE_WORKER_A_FILE or _fixtures(item) & SHARED_FIXTURES:
            item.add_marker(pytest.mark.xdist_group(str(within)))
        if folder in FAST and not (_fixtures(item) & SLOW_FIXTURES or item.get_closest_marker("django_db")):
            item.add_marker("fast")


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))
