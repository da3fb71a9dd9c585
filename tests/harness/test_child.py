"""Children that end with their parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.embedded.child import Child
from devtools.embedded.shop import PROJECT
from devtools.waiting import wait_until
from tests.harness.test_killed import runs

PARENT = """
import os, sys, time
from devtools.embedded.child import Child

child = Child([sys.executable, "-c", {program!r}])
if {fork!r} and os.fork() == 0:
    time.sleep(600)
print(child.pid, flush=True)
time.sleep(600)
"""
SLEEPS = "import time; time.sleep(600)"
#: It ignores SIGTERM.
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


@pytest.mark.parametrize("program", [SLEEPS, STUBBORN], ids=["obedient", "stubborn"])
@pytest.mark.parametrize("fork", [False, True], ids=["alone", "with a fork that lives on"])
def test_a_child_ends_when_its_parent_is_killed(program: str, fork: bool) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(program=program, fork=fork)], cwd=PROJECT, stdout=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert runs(child)

    try:
        parent.kill()
        parent.wait()

        wait_until("the child has ended", lambda: not runs(child))
    finally:
        parent.stdout.close()
        if fork:
            os.killpg(parent.pid, signal.SIGKILL)


def test_a_child_has_its_own_batch_no_input_and_the_given_output(tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:
        child = Child(
            [sys.executable, "-c", "import os, sys; print(os.getpgrp(), repr(sys.stdin.read()))"], stdout=output
        )

    assert child.wait(timeout=60) == 0
    assert (tmp_path / "output").read_text() == f"{child.pid} ''\n"
    assert child.wait() == child.poll() == 0


def test_a_program_that_does_not_exist_ends_with_127(tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:
        assert Child([tmp_path / "nothing"], stdout=output).wait(timeout=60) == 127
