"""Flower with a real worker: it requires a password, shows workers and tasks, and has no secret of the shop."""

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from celery_task.celery import app
from celery_task.order_task import settle_orders
from devtools.embedded.child import Child
from devtools.embedded.ports import free_port
from devtools.embedded.shop import PROJECT
from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from tests.workers import odd_tasks
from tests.workers.conftest import StartWorker

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "ops:seven-odd-kettles"
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]["flower"]


class Flower:
    """Flower as started in docker-compose.yml: with the broker's URL and its own password, and nothing else."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        command = [argument for argument in COMPOSE["command"] if not argument.startswith(("--address", "--port"))]
        assert command == ["celery", "flower"]
        with log.open("wb") as output:
            self.process = Child(
                [sys.executable, "-m", *command, "--address=127.0.0.1", f"--port={self.port}"],
                env={
                    "PATH": os.environ["PATH"],
                    "CELERY_BROKER_URL": app.conf.broker_url,
                    "FLOWER_BASIC_AUTH": PASSWORD,
                },
                cwd=log.parent, stdout=output,
            )  # fmt: skip

    def ask(self, path: str, password: str | None = PASSWORD) -> tuple[int, str]:
        """Return status and body; status 0 while it does not respond."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        if password:
            request.add_header("Authorization", f"Basic {base64.b64encode(password.encode()).decode()}")
        try:
            with urllib.request.urlopen(request, timeout=WAIT_SECONDS_MAX) as answer:  # noqa: S310 (our own address)
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def tasks(self) -> list[dict[str, Any]]:
        """Return everything it has about tasks."""
        status, body = self.ask("/api/tasks")
        return list(json.loads(body).values()) if status == 200 else []


@pytest.fixture
def flower(tmp_path: Path) -> Iterator[Flower]:
    started = Flower(tmp_path / "flower.log")
    try:
        wait_until("it answers", lambda: started.ask("/healthcheck")[0] == 200)
        yield started
    finally:
        started.process.terminate()
        started.process.wait(timeout=WAIT_SECONDS_MAX)
        print((tmp_path / "flower.log").read_text()[-3000:])


def test_flower_shows_workers_and_what_became_of_tasks_to_those_who_know_the_password(
    flower: Flower, start_worker: StartWorker
) -> None:
    start_worker("orders,default", "--include", "tests.workers.odd_tasks", name="web-1")
    for path in ("/api/workers", "/api/tasks", "/", "/workers", "/tasks"):
        assert flower.ask(path, None)[0] == 401
        assert flower.ask(path, "ops:guess")[0] == 401
    ran = settle_orders.delay(7, 4_821).id
    failed = odd_tasks.fail.delay().id

    def known() -> dict[str, tuple[str, str]]:
        return {task["uuid"]: (task["name"], task["state"]) for task in flower.tasks()}

    expected = {
        ran: ("celery_task.order_task.settle_orders", "SUCCESS"),
        failed: ("tests.workers.odd_tasks.fail", "FAILURE"),
    }
    wait_until("it has heard of both", lambda: known() == expected)
    [settled] = [task for task in flower.tasks() if task["uuid"] == ran]
    assert (settled["args"], settled["worker"].split("@")[0]) == ("(7, 4821)", "web-1")
    wait_until("it knows the worker", lambda: "web-1@" in flower.ask("/api/workers?refresh=1")[1])
    [worker] = json.loads(flower.ask("/api/workers")[1]).values()
    assert sorted(queue["name"] for queue in worker["active_queues"]) == ["default", "orders"]
    assert "celery_task.order_task.settle_orders" in worker["registered"]
    everything = "".join(flower.ask(path)[1] for path in ("/api/workers", "/api/tasks", "/workers?json=1"))
    assert os.environ["SECRET_KEY"] not in everything


@pytest.mark.parametrize("password", [None, ""])
def test_without_a_password_the_shop_starts_no_flower(password: str | None) -> None:
    guarded = COMPOSE["environment"]["FLOWER_BASIC_AUTH"]
    environment = {"PATH": os.environ["PATH"]} | ({} if password is None else {"FLOWER_BASIC_AUTH": password})

    done = subprocess.run(
        ["/bin/sh", "-c", f'export FLOWER_BASIC_AUTH="{guarded}"; echo started'],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert done.stdout == ""
    assert "set FLOWER_BASIC_AUTH" in done.stderr
