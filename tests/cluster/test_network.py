"""Several networks on one machine, as concurrent test runs create them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.embedded.shop import PROJECT
from devtools.waiting import wait_until
from tests.cluster.network import Network, NoNetworkError
from tests.machine import lacks

KILLED = """
import os, signal, subprocess
from tests.cluster.network import Network
with Network(["web-1"]) as network:
    sleeper = subprocess.Popen([*network.inside("web-1"), "sleep", "600"], stdout=subprocess.DEVNULL)
    print(sleeper.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _networks() -> None:
    """Skip where namespaces are impossible; fail in CI."""
    try:
        with Network([]):
            pass
    except NoNetworkError as error:
        lacks(f"NO NETWORKS WERE TESTED: {error}")


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return " Z " in Path(f"/proc/{process}/stat").read_text()  # its exit status is not read yet


def test_two_at_once_share_nothing() -> None:
    with Network(["web-1"]) as one, Network(["web-1"]) as other:
        assert one.range != other.range
        for network in (one, other):
            answer = subprocess.run(
                [*network.inside("web-1"), "ip", "-brief", "-4", "address", "show", "eth0"],
                capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
            assert f"{network.address_of('web-1')}/24" in answer


def test_what_a_killed_run_has_left_ends_with_the_next() -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL

    with Network(["web-1"]):
        wait_until("what ran there has ended", lambda: _is_gone(int(killed.stdout)))
