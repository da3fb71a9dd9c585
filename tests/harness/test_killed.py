"""A test run that gets SIGKILL leaves no process behind."""

import json
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from devtools.embedded.child import Child
from devtools.embedded.shop import PROJECT
from devtools.waiting import wait_until

#: It writes down the processes of its run, and waits to be killed.
WAITS = """
import json, os, signal
from pathlib import Path

from tests import servers

def test_waits():
    pids = {"worker": os.getpid(), "valkey": servers.valkey.process.pid, "postgres": servers.postgres.process.pid}
    file = Path(os.environ["PIDS"])
    file.with_suffix(".new").write_text(json.dumps(pids))
    file.with_suffix(".new").rename(file)
    signal.pause()
"""
OF_THE_OUTER_RUN = {"DATABASE_URL", "BROKER", "REDIS_URL", "CELERY_BROKER_URL", "CACHE_URL", "SECKILL_VAR_DIR"}


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in OF_THE_OUTER_RUN and "PYTEST" not in name}
    return kept | {"PIDS": str(tmp_path / "pids.json")}


@pytest.mark.parametrize(
    ("processes", "victim"),
    [("0", "worker"), ("2", "controller"), ("2", "worker")],
    ids=["alone", "controller", "worker"],
)
def test_a_killed_run_leaves_no_server_behind(
    tmp_path: Path, environment: dict[str, str], processes: str, victim: str
) -> None:
    (tmp_path / "test_waits.py").write_text(WAITS)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        processes,
        "--max-worker-restart=0",
        "-c",
        PROJECT / "pyproject.toml",
    ]
    with (tmp_path / "output").open("wb") as output:
        run = Child([*command, tmp_path], cwd=PROJECT, env=environment, stdout=output)
    pids_file = tmp_path / "pids.json"
    wait_until("the test waits", lambda: pids_file.exists() or run.poll() is not None)
    assert pids_file.exists(), (tmp_path / "output").read_text()
    pids: dict[str, int] = json.loads(pids_file.read_text())
    assert all(runs(pid) for pid in pids.values())

    os.kill(run.pid if victim == "controller" else pids["worker"], signal.SIGKILL)

    run.wait(timeout=60)
    wait_until("nothing is left", lambda: not any(runs(pid) for pid in pids.values()))
