"""The Procfile: each line starts its part, which becomes ready."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from honcho.environ import parse_procfile

from celery_task.models import Leader
from celery_task.queues import WORK_QUEUES
from devtools.embedded.ports import free_port
from devtools.embedded.shop import PROJECT
from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from tests.workers.worker import Process

pytestmark = pytest.mark.django_db(transaction=True)

LINES: dict[str, str] = parse_procfile((PROJECT / "Procfile").read_text()).processes
StartLine = Callable[..., Process]
WORKERS = [name for name, line in LINES.items() if " worker " in line]


class Line(Process):
    """A line of the Procfile, run as honcho runs it."""

    def command(self) -> list[str]:
        """Return a shell command with variables expanded; exec replaces the shell."""
        return ["sh", "-c", f"exec {LINES[self.name]}"]


@pytest.fixture
def start_line(tmp_path: Path, processes: list[Process]) -> StartLine:
    """Start a line by its name."""

    def start(name: str, **environment: str) -> Process:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        line = Line(tmp_path, name, environment={"PATH": path, **environment})
        processes.append(line)
        line.start()
        return line

    return start


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_is_ready(start_line: StartLine, name: str) -> None:
    worker = start_line(name)

    worker.await_log(f"{name}@")
    worker.await_log(" ready.")


def test_every_queue_has_a_worker() -> None:
    served = {queue for name in WORKERS for queue in LINES[name].split("--queues ")[1].split()[0].split(",")}

    assert served == {queue.name for queue in WORK_QUEUES} | {"host", "broadcast"}


def test_beat_leads(start_line: StartLine) -> None:
    start_line("beat")

    wait_until("it leads", lambda: Leader.objects.filter(holder__startswith="beat:").exists())


def test_the_shop_is_served(start_line: StartLine) -> None:
    port = free_port()
    start_line("web", BIND=f"127.0.0.1:{port}", WEB_CONCURRENCY="1")

    def served() -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=WAIT_SECONDS_MAX).status_code == 200
        return False

    wait_until("it answers", served)


def test_flower_refuses_to_be_without_a_password(start_line: StartLine) -> None:
    flower = start_line("flower", FLOWER_BASIC_AUTH="")

    wait_until("it has ended", flower.has_ended)
    assert "FLOWER_BASIC_AUTH" in flower.log()
