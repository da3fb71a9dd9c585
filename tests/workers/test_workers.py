"""Workers: tasks whose worker is killed, stopped, out of time or too large, and the order of queues."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import redis
from celery.exceptions import QueueNotFound
from django.conf import settings
from django.utils import timezone

from celery_task.queues import DEFAULT, NOTIFICATIONS, ON_REDIS, PRIORITY_HIGH, PRIORITY_LOW
from devtools.embedded.shop import PROJECT
from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from tests.workers import probe_task
from tests.workers.conftest import StartWorker
from tests.workers.messages import take
from tests.workers.worker import Process

pytestmark = pytest.mark.django_db(transaction=True)

PROBES = ("--include", "tests.workers.probe_task")
QUICK = {"PROBE_VISIBILITY_SECONDS": "4"}
Notes = Callable[[], list[str]]


@pytest.fixture
def notes() -> Notes:
    """Return the lines tasks have written so far, oldest first."""

    def read() -> list[str]:
        with redis.Redis.from_url(settings.CACHE_URL, decode_responses=True) as client:
            kept: list[str] = client.lrange("notes", 0, -1)
            return kept

    return read


def children(worker: Process) -> list[psutil.Process]:
    """Return the child processes of a prefork worker."""
    return psutil.Process(worker.pid).children()


def await_notes(notes: Notes, *wanted: str) -> None:
    """Return once exactly these lines are written."""
    wait_until(f"{wanted} in {notes()}", lambda: len(notes()) >= len(wanted))
    assert notes() == list(wanted)


def await_count(notes: Notes, count: int) -> None:
    """Return once this many lines are written."""
    wait_until(f"{count} notes", lambda: len(notes()) == count)


# --- Killed and stopped


def test_the_task_of_a_killed_child_is_done_by_another_one(start_worker: StartWorker, notes: Notes) -> None:
    worker = start_worker("default", *PROBES, "--concurrency", "1")
    probe_task.work.delay("notes", "a")
    await_notes(notes, "a begins")

    children(worker)[0].kill()

    await_notes(notes, "a begins", "a begins")
    probe_task.let_go("a")
    await_notes(notes, "a begins", "a begins", "a ends")
    assert worker.log().count(" task_lost ") == 1


def test_the_task_of_a_killed_worker_is_done_by_another_one(start_worker: StartWorker, notes: Notes) -> None:
    first = start_worker("default", *PROBES, "--concurrency", "1", name="first", environment=QUICK)
    probe_task.work.delay("notes", "a")
    await_notes(notes, "a begins")

    first.end(signal.SIGKILL)
    probe_task.let_go("a")
    start_worker("default", *PROBES, "--concurrency", "1", name="second", environment=QUICK)

    await_notes(notes, "a begins", "a begins", "a ends")


def test_a_worker_told_to_stop_ends_its_task_and_takes_no_other(start_worker: StartWorker, notes: Notes) -> None:
    worker = start_worker("default", *PROBES, "--concurrency", "1")
    probe_task.work.delay("notes", "a")
    await_notes(notes, "a begins")
    probe_task.write.delay("notes", "b")

    worker.send(signal.SIGTERM)
    worker.await_log("Warm shutdown")
    probe_task.let_go("a")
    assert worker.await_end() == 0

    assert notes() == ["a begins", "a ends"]
    start_worker("default", *PROBES, "--pool", "solo", name="next", environment=QUICK)
    await_notes(notes, "a begins", "a ends", "b")


def test_a_worker_told_to_stop_waits_for_no_result_that_nobody_reads(start_worker: StartWorker, notes: Notes) -> None:
    both = "tests.workers.probe_task,tests.workers.unread_results"
    worker = start_worker("default", "--include", both, "--concurrency", "1")
    probe_task.write.delay("notes", "a")
    await_notes(notes, "a")

    assert worker.end(signal.SIGTERM) == 0

    assert "unread for 2.0 s" in worker.log()  # the default would be 30


def test_a_worker_told_to_stop_at_once_leaves_its_task_to_the_next(start_worker: StartWorker, notes: Notes) -> None:
    worker = start_worker("default", *PROBES, "--concurrency", "1", environment=QUICK)
    probe_task.work.delay("notes", "a")
    await_notes(notes, "a begins")

    worker.end(signal.SIGQUIT)
    assert notes() == ["a begins"]
    probe_task.let_go("a")

    start_worker("default", *PROBES, "--pool", "solo", name="next", environment=QUICK)
    await_notes(notes, "a begins", "a begins", "a ends")


# --- Limits


def test_a_task_that_takes_too_long_may_tidy_up_and_one_that_will_not_listen_is_killed(
    start_worker: StartWorker, notes: Notes
) -> None:
    worker = start_worker("default", *PROBES, "--concurrency", "1")
    probe_task.give_up_softly.delay("notes")
    await_notes(notes, "tidied up")
    probe_task.never_end.delay("notes")
    worker.await_log("Hard time limit (2s) exceeded")
    probe_task.write.delay("notes", "afterwards")

    await_notes(notes, "tidied up", "begins", "afterwards")  # killed once, and not redelivered
    assert [worker.log().count(f" {event} ") for event in ("task_failed", "task_lost")] == [1, 1]


def test_a_failing_task_is_retried_and_logs_its_arguments_each_time(start_worker: StartWorker, notes: Notes) -> None:
    worker = start_worker("default", *PROBES, "--pool", "solo")
    task_id = probe_task.fail.delay("notes", 7, 4_821).id

    worker.await_log("task_failed")

    assert notes() == ["tried"] * 3
    retried = [line for line in worker.log().splitlines() if " task_retried " in line]
    failed = [line for line in worker.log().splitlines() if " task_failed " in line]
    assert [re.findall(r"retries=(\d)", line) for line in retried] == [["0"], ["1"]]
    assert len(failed) == 1
    for line in [*retried, *failed]:
        assert {"sale=7", "place=4821", f"task_id={task_id}", "task=tests.workers.probe_task.fail"} <= set(line.split())


def test_a_message_that_no_worker_took_in_time_lapses(start_worker: StartWorker, notes: Notes) -> None:
    probe_task.write.apply_async(("notes", "late"), expires=timezone.now() - timedelta(seconds=1))
    probe_task.write.apply_async(("notes", "in time"), expires=60)

    start_worker("default", *PROBES, "--pool", "solo")

    await_notes(notes, "in time")
    assert take(DEFAULT) == []


def test_a_child_that_has_grown_is_replaced(start_worker: StartWorker, notes: Notes) -> None:
    start_worker("default", *PROBES, "--concurrency", "1", "--max-memory-per-child", "150000")
    for number in range(1, 4):
        probe_task.grow.delay("notes", 150)
        await_count(notes, number)

    assert len(set(notes())) == 3


def test_a_child_that_has_done_its_share_is_replaced(start_worker: StartWorker, notes: Notes) -> None:
    start_worker("default", *PROBES, "--concurrency", "1", "--max-tasks-per-child", "2")
    for _ in range(6):
        probe_task.grow.delay("notes", 0)

    await_count(notes, 6)
    assert [notes().count(pid) for pid in dict.fromkeys(notes())] == [2, 2, 2]


# --- Order, results, refusals


def test_what_is_urgent_is_done_first(start_worker: StartWorker, notes: Notes) -> None:
    start_worker("notifications", *PROBES, "--pool", "solo", name="declares").end()
    for number in range(3):
        probe_task.write.apply_async(("notes", f"may wait {number}"), queue=NOTIFICATIONS, priority=PRIORITY_LOW)
    for number in range(3):
        probe_task.write.apply_async(("notes", f"urgent {number}"), queue=NOTIFICATIONS, priority=PRIORITY_HIGH)

    start_worker("notifications", *PROBES, "--pool", "solo")

    await_notes(notes, *(f"urgent {number}" for number in range(3)), *(f"may wait {number}" for number in range(3)))


def test_results_are_kept_for_those_tasks_only_that_somebody_asks(start_worker: StartWorker, notes: Notes) -> None:
    start_worker("default", *PROBES, "--pool", "solo")
    probe_task.write.delay("notes", "nobody asks")
    asked = probe_task.answer.delay(41)

    assert asked.get(timeout=WAIT_SECONDS_MAX) == 42
    await_notes(notes, "nobody asks")
    with redis.Redis.from_url(settings.CELERY_RESULT_BACKEND, decode_responses=True) as backend:
        assert backend.keys("*") == [f"celery-task-meta-{asked.id}"]
        assert 0 < backend.ttl(f"celery-task-meta-{asked.id}") <= 86_400


def test_a_task_called_back_before_it_began_is_never_begun(start_worker: StartWorker, notes: Notes) -> None:
    worker = start_worker("default", *PROBES, "--concurrency", "1")
    probe_task.work.delay("notes", "a")
    await_notes(notes, "a begins")
    called_back = probe_task.write.delay("notes", "called back")
    probe_task.write.delay("notes", "b")

    called_back.revoke()
    worker.await_log("Tasks flagged as revoked")
    probe_task.let_go("a")

    await_notes(notes, "a begins", "a ends", "b")


@pytest.mark.skipif(ON_REDIS, reason="Redis has no delayed delivery of its own")
@pytest.mark.parametrize("queues", ["notifications", "orders,default", "host,broadcast"])
def test_a_worker_that_is_the_first_one_can_have_messages_delayed(start_worker: StartWorker, queues: str) -> None:
    worker = start_worker(queues, "--pool", "solo")

    assert "delayed delivery" not in worker.log()


@pytest.mark.parametrize(("queues", "niceness"), [("orders,default", 0), ("notifications,exports", 10)])
def test_a_worker_that_settles_nobody_lets_buyers_go_first(
    start_worker: StartWorker, queues: str, niceness: int
) -> None:
    worker = start_worker(queues)

    assert {process.nice() for process in [psutil.Process(worker.pid), *children(worker)]} == {niceness}


def test_a_queue_nobody_has_named_is_an_error() -> None:
    with pytest.raises(QueueNotFound):
        probe_task.write.apply_async(("notes", "lost"), queue="oders")


def test_a_message_that_could_run_code_is_thrown_away(start_worker: StartWorker, notes: Notes) -> None:
    worker = start_worker("default", *PROBES, "--pool", "solo")
    probe_task.write.apply_async(("notes", "pickled"), serializer="pickle")
    probe_task.write.delay("notes", "json")

    await_notes(notes, "json")
    worker.await_log("Refusing to deserialize untrusted content of type pickle")


# --- Processes


def test_children_share_no_connection_with_each_other_or_their_parent(start_worker: StartWorker, notes: Notes) -> None:
    start_worker("default", *PROBES, "--concurrency", "2")
    for _ in range(8):
        probe_task.whose_connections.delay("notes")
    await_count(notes, 8)

    seen = [note.split() for note in notes()]
    assert len({pid for pid, _, _ in seen}) == 2
    for connection in (1, 2):  # to Redis, to PostgreSQL
        users = {(note[0], note[connection]) for note in seen}
        assert len(users) == len({used for _, used in users})


MODULES = sorted(
    path.stem for path in (PROJECT / "celery_task").glob("*.py") if path.stem not in {"__init__", "liveness"}
)


def test_every_module_can_be_the_first_to_be_imported(tmp_path: Path) -> None:
    begun = {
        module: subprocess.Popen(
            [sys.executable, "-c", f"import django, celery_task; django.setup(); import celery_task.{module}"],
            cwd=PROJECT, env={**os.environ, "SECKILL_VAR_DIR": str(tmp_path)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for module in MODULES
    }  # fmt: skip
    said = {module: process.communicate(timeout=3 * WAIT_SECONDS_MAX)[0].decode() for module, process in begun.items()}

    assert {module: said[module] for module, process in begun.items() if process.returncode} == {}
