"""``make demo`` from a user's view: one command in the foreground."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from devtools.embedded.child import Child
from devtools.embedded.ports import free_port, is_taken
from devtools.embedded.shop import PROCESSES, PROJECT
from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from tests.visitor import get, post

WITHOUT = {
    "REDIS_URL",
    "DATABASE_URL",
    "CELERY_BROKER_URL",
    "CACHE_URL",
    "SECRET_KEY",
    "SECKILL_LOG_LEVEL",
    "SECKILL_PUBLIC_BASE_URL",
}


class Demo:
    """A demo in the foreground of a pseudo-terminal."""

    def __init__(self, var: Path, port: int) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in WITHOUT}
        self.environment = environment | {"SECKILL_VAR_DIR": str(var), "PORT": str(port), "DEMO_STOCK": "7"}
        self.port = port
        self._output = var.with_suffix(f".{port}.{len(list(var.parent.iterdir()))}.txt")
        with self._output.open("wb") as output:
            self.process = Child(
                [sys.executable, "-m", "devtools.demo"], cwd=PROJECT, env=self.environment, stdout=output
            )

    def output(self) -> str:
        return self._output.read_text()

    def await_ready(self) -> None:
        wait_until("ready", lambda: "ready http" in self.output() or self.process.poll() is not None)
        assert f"ready http://127.0.0.1:{self.port}\n" in self.output()

    def pids(self) -> dict[str, int]:
        """Return the process ids it printed."""
        return {name: int(pid) for name, pid in re.findall(r"(\w+) started \(pid=(\d+)\)", self.output())}

    def await_end(self) -> int:
        return self.process.wait(timeout=WAIT_SECONDS_MAX)


def alive(group: int) -> bool:
    """Return whether any process of a process group still runs (zombies do not count)."""
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                return True
    return False


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path / "var", free_port())
    yield running
    running.process.terminate()
    running.await_end()
    print(running.output())


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_then_leaves_nothing_behind_and_continues_with_its_data(demo: Demo, sent: signal.Signals) -> None:
    demo.await_ready()
    address = f"http://127.0.0.1:{demo.port}"
    sales = get(f"{address}/api/sales/").json()
    assert [(sale["id"], sale["stock"]) for sale in sales] == [(1, 7), (2, 7)]
    assert sales[0]["state"] == "open"
    assert len(get(f"{address}/api/banners/").json()) == 3
    assert set(demo.pids()) == {"valkey", *PROCESSES}

    issue = [sys.executable, "manage.py", "issue_passes", "1"]  # finds the running demo by itself
    issued = subprocess.run(issue, cwd=PROJECT, env=demo.environment, check=True, capture_output=True, text=True)
    bearer = {"Authorization": f"Bearer {issued.stdout.strip()}"}
    bought = post(f"{address}/api/sales/1/purchase", headers=bearer).json()
    ticket = f"{address}/api/tickets/{bought['ticket']}"
    polls: list[dict[str, str]] = []
    wait_until("an order", lambda: polls.append(get(ticket).json()) or "order" in polls[-1])  # type: ignore[func-returns-value]
    order = polls[-1]["order"]  # the other web process may have read the line a moment earlier

    demo.process.send_signal(sent)
    assert demo.await_end() == 0
    assert [name for name, pid in demo.pids().items() if alive(pid)] == []
    assert not is_taken(demo.port)

    second = Demo(Path(demo.environment["SECKILL_VAR_DIR"]), demo.port)
    try:
        second.await_ready()
        assert get(ticket).json()["order"] == order
        assert post(f"{address}/api/sales/1/purchase", headers=bearer).json()["ticket"] == bought["ticket"]
        assert len(get(f"{address}/api/sales/").json()) == 2
    finally:
        second.process.terminate()
        second.await_end()


@pytest.mark.parametrize("victim", ["valkey", *PROCESSES])
def test_one_process_dying_stops_all_and_is_named(demo: Demo, victim: str) -> None:
    demo.await_ready()

    os.killpg(demo.pids()[victim], signal.SIGKILL)

    assert demo.await_end() != 0
    assert f"{victim} stopped (rc=-9)" in demo.output()
    assert f"{victim} ended by itself" in demo.output().splitlines()[-1]
    assert [name for name, pid in demo.pids().items() if alive(pid)] == []


def test_a_demo_that_is_killed_leaves_nothing_behind(demo: Demo) -> None:
    demo.await_ready()

    demo.process.kill()

    assert demo.await_end() == -signal.SIGKILL
    wait_until("all its processes have ended", lambda: not any(alive(pid) for pid in demo.pids().values()))
    assert not is_taken(demo.port)


def test_a_port_in_use_is_a_clear_message(demo: Demo, tmp_path: Path) -> None:
    demo.await_ready()

    second = Demo(tmp_path / "other", demo.port)

    assert second.await_end() == 1
    assert second.output() == f"Port {demo.port} is in use. Choose another one: make demo PORT={demo.port + 1}\n"
    assert not (tmp_path / "other").exists()
