"""Metrics of workers: all their processes, alive or dead, served on a separate port."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from devtools.embedded.ports import free_port
from devtools.embedded.shop import PROJECT
from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from tests.workers import odd_tasks
from tests.workers.conftest import StartBeat, StartWorker
from tests.workers.worker import Process

pytestmark = pytest.mark.django_db(transaction=True)


def counted(port: int) -> dict[tuple[str, str], float]:
    """Return (task, outcome) → count; empty while the port does not respond."""
    return {
        (labels["task"].removeprefix("tests.workers.odd_tasks."), labels["outcome"]): value
        for name, labels, value in samples(port)
        if name == "seckill_tasks_total"
    }


def served(port: int) -> str | None:
    """Return the served page; None while the port does not respond."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=WAIT_SECONDS_MAX) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


def samples(port: int) -> Iterator[tuple[str, dict[str, str], float]]:
    """Return all samples served."""
    for family in text_string_to_metric_families(served(port) or ""):
        yield from ((sample.name, sample.labels, sample.value) for sample in family.samples)


def started(port: int) -> dict[str, float]:
    """Return task → number of starts."""
    waits = [sample for sample in samples(port) if sample[0] == "seckill_task_wait_seconds_count"]
    return {labels["task"].rsplit(".", 1)[1]: times for _, labels, times in waits}


def children(process: Process) -> list[int]:
    """Return the processes of a worker's pool."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def counting(start_worker: StartWorker, port: int, tmp_path: Path) -> Process:
    """Start a worker with two children, metrics and the odd tasks."""
    environment = {"SECKILL_METRICS_PORT": str(port), "TMPDIR": str(tmp_path)}
    return start_worker(
        "default", "--concurrency", "2", "--include", "tests.workers.odd_tasks", environment=environment
    )


def test_every_end_of_a_task_is_counted_once(counting: Process, port: int) -> None:
    for task in (odd_tasks.succeed, odd_tasks.fail, odd_tasks.retry, odd_tasks.ignore, odd_tasks.reject):
        task.delay()
    odd_tasks.overrun.delay()
    odd_tasks.die_once.delay()

    expected = {
        ("succeed", "success"): 1,
        ("fail", "failure"): 1,
        ("retry", "retry"): 2,
        ("retry", "failure"): 1,
        ("ignore", "ignored"): 1,
        ("reject", "rejected"): 1,
        ("overrun", "timeout"): 1,
        ("die_once", "lost"): 1,
        ("die_once", "success"): 1,
    }
    try:
        wait_until("all are counted", lambda: counted(port) == expected)
    except TimeoutError:
        assert counted(port) == expected
    assert started(port) == {
        "succeed": 1, "fail": 1, "retry": 3, "ignore": 1, "reject": 1, "overrun": 1, "die_once": 2,
    }  # fmt: skip
    log = counting.log()
    assert log.count("task_failed") == 2
    assert (log.count("outcome=lost"), log.count("outcome=timeout")) == (1, 1)


def test_what_children_counted_stays_counted_when_they_are_gone(counting: Process, port: int, tmp_path: Path) -> None:
    for _ in range(6):
        odd_tasks.succeed.delay()
    wait_until("six", lambda: counted(port) == {("succeed", "success"): 6})
    [directory] = tmp_path.glob("seckill-metrics-*")
    before = children(counting)

    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until("two new ones", lambda: len(children(counting)) == 2 and not set(children(counting)) & set(before))
    assert counted(port) == {("succeed", "success"): 6}
    for _ in range(4):
        odd_tasks.succeed.delay()
    wait_until("ten", lambda: counted(port) == {("succeed", "success"): 10})

    owners = {int(file.stem.rsplit("_", 1)[1]) for file in directory.glob("*.db")}
    assert 0 in owners
    assert not owners & set(before)
    assert counting.end() == 0
    assert not directory.exists()


def test_a_beat_serves_too(start_beat: StartBeat, port: int) -> None:
    start_beat(environment={"SECKILL_METRICS_PORT": str(port)})

    wait_until("it serves", lambda: served(port) is not None)


def test_a_web_process_keeps_its_own_directory_whatever_its_environment_says(tmp_path: Path) -> None:
    """All containers of a host may share one environment, so SECKILL_METRICS_PORT is also set for the web process."""
    program = """
import os, runpy
runpy.run_path("deploy/gunicorn.conf.py")
import seckill.asgi
print(os.environ["PROMETHEUS_MULTIPROC_DIR"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"SECKILL_METRICS_PORT": "9101", "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.strip() == str(tmp_path)
