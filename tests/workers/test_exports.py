"""Exports by real workers: progress, fairness, and faults."""

import json
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.db import connection, transaction
from django.utils import timezone

from celery_task.celery import app
from celery_task.export_task import cancel_export, enqueue, export_orders, resume_stalled_exports
from celery_task.queues import EXPORTS
from devtools.embedded.ports import free_port
from devtools.waiting import wait_until
from orders.export import iter_chunks, request_export
from orders.models import Export
from seckill.api.export_state import state_of
from tests.conftest import MakeSale
from tests.orders.bulk import buyers, new_export, write_orders
from tests.workers.conftest import StartWorker
from tests.workers.messages import take
from tests.workers.worker import Process

pytestmark = pytest.mark.django_db(transaction=True)

SLOW = ("--concurrency", "1", "--include", "tests.workers.slow_exports")


@pytest.fixture
def start_slow_worker(start_worker: StartWorker) -> StartWorker:
    """Start a worker with one child that writes chunks of three orders."""

    def start(*arguments: str, name: str = "worker", **environment: str) -> Process:
        return start_worker("exports", *SLOW, *arguments, name=name, environment={"PART_SECONDS": "0.1", **environment})

    return start


class Parts:
    """A directory in which chunks wait until a test releases them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.environment = {"PARTS_LET_GO": str(directory)}

    def let_go(self, *parts: object) -> None:
        """Release these chunks, or ``"all"``."""
        for part in parts:
            (self._directory / str(part)).touch()

    def await_held(self, part: int) -> None:
        """Return once a worker is about to write this chunk; all before it are written."""
        wait_until(f"part {part} is held", (self._directory / f"{part} waits").exists)


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """The chunks of a worker that gets their environment."""
    directory = tmp_path / "parts"
    directory.mkdir()
    return Parts(directory)


def begun(**wanted: Any) -> Export:
    """An export that waits for a worker."""
    export = new_export(**wanted)
    request_export(export)
    enqueue(export)
    return export


def read(export: Export) -> Export:
    """Return the export's present row."""
    return Export.objects.get(pk=export.pk)


def await_end(export: Export) -> Export:
    """Return the export once it has ended."""
    wait_until("the export has ended", lambda: read(export).result)
    return read(export)


def backend(export: Export) -> tuple[str, Any]:
    """Return state and result or progress from Celery's result backend."""
    meta = app.backend.get_task_meta(str(export.pk))
    return meta["status"], meta["result"]


def everybody(count: int) -> list[str]:
    """Return the buyers of that many orders."""
    return [f"b{number}" for number in range(1, count + 1)]


def waiting() -> list[list[Any]]:
    """Take the messages for workers: [export, chunk]."""
    return [json.loads(message.body)[0] for message in take(EXPORTS)]


def test_an_export_shows_its_progress_and_then_its_result(
    make_sale: MakeSale, start_slow_worker: StartWorker, parts: Parts
) -> None:
    write_orders(make_sale(publish=False, stock=15), 15)
    export = begun()

    def shown() -> tuple[str, Any, str]:
        return (*backend(export), state_of(read(export)))

    assert shown() == ("PENDING", None, "queued")
    start_slow_worker(**parts.environment)
    parts.await_held(1)
    assert shown() == ("STARTED", {}, "started")
    for part in range(1, 5):
        parts.let_go(part)
        parts.await_held(part + 1)
        assert shown() == ("PROGRESS", {"rows": 3 * part, "total": 15}, "progress")
    parts.let_go(5)
    wait_until("Celery knows", lambda: shown() == ("SUCCESS", {"rows": 15, "chunks": 5}, "done"))

    assert buyers(iter_chunks(read(export))) == everybody(15)
    assert waiting() == []


def test_a_killed_worker_costs_one_part(make_sale: MakeSale, start_slow_worker: StartWorker, parts: Parts) -> None:
    write_orders(make_sale(publish=False, stock=60), 60)
    export = begun()
    first = start_slow_worker(name="first", **parts.environment)
    parts.let_go(1, 2, 3)
    parts.await_held(4)

    first.end(signal.SIGKILL)
    assert read(export).chunks == 3
    parts.let_go("all")
    start_slow_worker(name="second", **parts.environment)
    export = await_end(export)  # on Redis, once the message is unacknowledged for 30 s

    assert (export.rows, export.chunks, export.result) == (60, 20, "done")
    assert buyers(iter_chunks(export)) == everybody(60)


def test_a_worker_that_is_told_to_stop_leaves_the_rest_to_others(
    make_sale: MakeSale, start_slow_worker: StartWorker, parts: Parts
) -> None:
    write_orders(make_sale(publish=False, stock=60), 60)
    export = begun()
    first = start_slow_worker(name="first", **parts.environment)
    parts.let_go(1, 2, 3)
    parts.await_held(4)

    first.send(signal.SIGTERM)
    first.await_log("Warm shutdown")
    parts.let_go("all")
    assert first.await_end() == 0
    assert read(export).chunks == 4
    second = start_slow_worker(name="second", **parts.environment)
    export = await_end(export)

    assert buyers(iter_chunks(export)) == everybody(60)
    assert "task_failed" not in first.log() + second.log()


def test_an_export_that_is_cancelled_stops_before_its_next_part(
    make_sale: MakeSale, start_slow_worker: StartWorker, parts: Parts
) -> None:
    write_orders(make_sale(publish=False, stock=60), 60)
    export = begun()
    worker = start_slow_worker(**parts.environment)
    parts.let_go(1, 2, 3)
    parts.await_held(4)

    assert cancel_export(export)
    cancelled = read(export)
    worker.await_log(f"Tasks flagged as revoked: {export.pk}")
    parts.let_go("all")
    another = await_end(begun())

    assert (cancelled.result, cancelled.chunks) == ("cancelled", 3)
    assert read(export).files == cancelled.files
    assert len(storages["exports"].listdir(str(export.pk))[1]) == 3
    assert another.rows == 60


def test_an_export_that_is_cancelled_while_it_waits_never_starts(
    make_sale: MakeSale, start_slow_worker: StartWorker
) -> None:
    write_orders(make_sale(publish=False), 3)
    waits = begun()
    assert cancel_export(waits)  # no worker is there to receive the revocation

    start_slow_worker()
    await_end(begun())

    assert (read(waits).result, read(waits).chunks, backend(waits)[0]) == ("cancelled", 0, "PENDING")
    assert not storages["exports"].exists(str(waits.pk))


def in_turn(*exports: Export) -> list[str]:
    """Return which export each chunk belonged to, oldest first."""
    parts = sorted((name for export in exports for name in export.files), key=storages["exports"].get_modified_time)
    return [name.split("/")[0] for name in parts]


def test_exports_take_turns(make_sale: MakeSale, start_slow_worker: StartWorker) -> None:
    write_orders(make_sale(publish=False, stock=30), 15)
    one, two = begun(), begun()

    start_slow_worker()

    assert in_turn(await_end(one), await_end(two)) == [str(one.pk), str(two.pk)] * 5


def test_a_message_that_comes_twice_or_late_writes_nothing_twice_and_gains_no_turn(
    make_sale: MakeSale, start_slow_worker: StartWorker
) -> None:
    write_orders(make_sale(publish=False, stock=30), 15)
    one = begun()
    for _ in range(4):
        enqueue(one)
    two = begun()

    start_slow_worker()
    ended = [await_end(one), await_end(two)]
    enqueue(one)  # its first chunk, again
    await_end(begun())

    assert in_turn(*ended) == [str(one.pk), str(two.pk)] * 5
    for export in ended:
        assert len(storages["exports"].listdir(str(export.pk))[1]) == 5
        assert buyers(iter_chunks(read(export))) == everybody(15)
    assert waiting() == []


def test_an_export_survives_the_loss_of_the_result_backend(
    make_sale: MakeSale, start_slow_worker: StartWorker, parts: Parts
) -> None:
    write_orders(make_sale(publish=False, stock=60), 60)
    export = begun()
    start_slow_worker(**parts.environment)
    parts.let_go(1, 2, 3)
    parts.await_held(4)

    app.backend.client.flushdb()

    assert state_of(read(export)) == "progress"
    parts.let_go("all")
    export = await_end(export)
    app.backend.client.flushdb()
    assert (state_of(export), backend(export)[0]) == ("done", "PENDING")
    assert buyers(iter_chunks(export)) == everybody(60)


def test_a_result_backend_that_is_away_is_no_matter_either(make_sale: MakeSale, start_slow_worker: StartWorker) -> None:
    write_orders(make_sale(publish=False), 9)
    export = begun()

    worker = start_slow_worker(CELERY_RESULT_BACKEND=f"redis://127.0.0.1:{free_port()}/3")
    export = await_end(export)

    assert buyers(iter_chunks(export)) == everybody(9)
    assert "progress_not_updated" in worker.log()


def test_a_message_that_got_lost_is_sent_again(make_sale: MakeSale, start_slow_worker: StartWorker) -> None:
    write_orders(make_sale(publish=False, stock=30), 30)
    export = begun()
    assert waiting() == [[str(export.pk), 0]]  # and now it is lost

    resume_stalled_exports.run()
    assert waiting() == []
    Export.objects.update(locked_at=timezone.now() - timedelta(seconds=61))
    resume_stalled_exports.run()
    start_slow_worker()

    assert buyers(iter_chunks(await_end(export))) == everybody(30)


def test_a_fault_that_passes_is_waited_for(make_sale: MakeSale, start_slow_worker: StartWorker) -> None:
    write_orders(make_sale(publish=False), 9)
    export = begun()

    worker = start_slow_worker(PART_FAULTS="2")
    export = await_end(export)

    assert buyers(iter_chunks(export)) == everybody(9)
    assert worker.log().count("task_retried") == 2


def test_a_part_that_takes_too_long_fails_the_export(
    make_sale: MakeSale, start_slow_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_orders(make_sale(publish=False), 9)
    with monkeypatch.context() as hasty:
        hasty.setattr(export_orders, "soft_time_limit", 1)
        hasty.setattr(export_orders, "_exec_options", None)  # messages take the limit from here
        export = begun()

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE orders_order IN ACCESS EXCLUSIVE MODE")
        start_slow_worker()
        export = await_end(export)

    assert (export.result, export.error) == ("failed", "Writing a chunk took too long.")
    wait_until("Celery knows", lambda: backend(export)[0] == "FAILURE")
    assert (await_end(begun()).result, waiting()) == ("done", [])


def test_an_export_that_cannot_be_written_says_why(
    make_sale: MakeSale, start_slow_worker: StartWorker, tmp_path: Path
) -> None:
    write_orders(make_sale(publish=False), 9)
    export = begun()
    (tmp_path / "exports").write_text("a file where a directory should be")

    start_slow_worker(SECKILL_VAR_DIR=str(tmp_path))
    export = await_end(export)

    assert export.result == "failed"
    assert export.error.startswith(("FileExistsError: ", "NotADirectoryError: "))
    wait_until("Celery knows", lambda: backend(export)[0] == "FAILURE")
