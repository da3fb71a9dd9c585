"""Real workers and a real broker: Valkey, or RabbitMQ with ``BROKER=rabbitmq``."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kombu.exceptions import ChannelError

from celery_task.celery import app
from celery_task.queues import ON_REDIS, WORK_QUEUES
from tests.workers.worker import Process, worker

StartWorker = Callable[..., Process]
StartBeat = Callable[..., Process]


@pytest.fixture(autouse=True)
def _empty_broker() -> None:
    """Empty all queues before every test (on Valkey they are emptied with all other data)."""
    if not ON_REDIS:
        with app.connection_for_write() as connection:
            for queue in WORK_QUEUES:
                try:
                    queue(connection.default_channel).purge()
                except ChannelError:  # the queue is not declared yet
                    connection.default_channel.close()
                    connection._default_channel = None


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Processes that are stopped after the test. Their output is printed if the test failed."""
    started: list[Process] = []
    yield started
    for process in reversed(started):
        process.close()
        print(f"--- {process.name}\n{process.log()[-4000:]}")


@pytest.fixture
def start_worker(transactional_db: None, tmp_path: Path, processes: list[Process]) -> StartWorker:  # noqa: ARG001 (its database is the tests')
    """``start_worker("orders,default", "--pool", "solo", name="web-1")`` returns a worker that is ready."""

    def start(queues: str, *arguments: str, name: str = "worker", environment: dict[str, str] | None = None) -> Process:
        process = worker(tmp_path, name, queues, *arguments, environment=environment or {})
        processes.append(process)
        process.start()
        process.await_log(f"{name}@")
        process.await_log(" ready.")
        return process

    return start


@pytest.fixture
def start_beat(transactional_db: None, tmp_path: Path, processes: list[Process]) -> StartBeat:  # noqa: ARG001 (its database is the tests')
    """``start_beat(name="beat-1")`` returns a started beat."""

    def start(*, name: str = "beat", environment: dict[str, str] | None = None) -> Process:
        process = Process(tmp_path, name, "beat", "--pidfile=", environment=environment or {})
        processes.append(process)
        process.start()
        return process

    return start
