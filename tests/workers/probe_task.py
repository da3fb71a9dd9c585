"""Tasks for tests only: ``celery -A celery_task worker --include tests.workers.probe_task``."""

import os
import time
from contextlib import suppress

import redis
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import connection

from celery_task.celery import app
from celery_task.queues import ON_REDIS
from seckill.line.line import get_line

HELD_SECONDS_MAX = 600
KEPT: list[bytearray] = []


def note(where: str, text: str) -> None:
    """Append a line to the file that tests read."""
    with redis.Redis.from_url(settings.CACHE_URL) as client:
        client.rpush(where, text)


@app.task
def write(where: str, text: str) -> None:
    """Append a line."""
    note(where, text)


@app.task
def work(where: str, name: str) -> None:
    """Write a line at the start and at the end; the task ends when a test lets it go."""
    note(where, f"{name} begins")
    may_end = f"{name} may end"
    with redis.Redis.from_url(settings.CACHE_URL, socket_timeout=2 * HELD_SECONDS_MAX) as client:
        # The entry stays: a killed worker may still count as waiting, and would take it along.
        client.blmove(may_end, may_end, HELD_SECONDS_MAX, "LEFT", "LEFT")
    note(where, f"{name} ends")


def let_go(name: str) -> None:
    """Let the work of this name end, now and in every later run. Called by tests."""
    note(f"{name} may end", "now")


@app.task(soft_time_limit=1, time_limit=30)
def give_up_softly(where: str) -> None:
    """Exceed the soft time limit, and clean up when interrupted."""
    try:
        time.sleep(20)
    except SoftTimeLimitExceeded:
        note(where, "tidied up")
        raise


@app.task(soft_time_limit=1, time_limit=2)
def never_end(where: str) -> None:
    """Exceed the time limit and ignore the soft one."""
    note(where, "begins")
    while True:
        with suppress(SoftTimeLimitExceeded):
            time.sleep(60)


@app.task(bind=True, autoretry_for=(ZeroDivisionError,), retry_backoff=1, retry_jitter=True, max_retries=2)
def fail(self: object, where: str, sale_id: int, upto: int) -> None:  # noqa: ARG001 (what it is about)
    """Always fail."""
    note(where, "tried")
    raise ZeroDivisionError("for the test")


@app.task
def whose_connections(where: str) -> None:
    """Write the process id and its connections to Redis and PostgreSQL."""
    client = get_line().client
    connection.ensure_connection()
    backend = connection.connection.info.backend_pid if connection.vendor == "postgresql" else os.getpid()
    note(where, f"{os.getpid()} {client.client_id()} {backend}")
    time.sleep(0.3)  # so that the next task goes to another child


@app.task
def grow(where: str, mib: int) -> None:
    """Allocate memory and keep it."""
    KEPT.append(bytearray(os.urandom(1024)) * 1024 * mib)
    note(where, str(os.getpid()))


@app.task(ignore_result=False)
def answer(number: int) -> int:
    """Return a result."""
    return number + 1


# Redis redelivers a killed worker's message after half a minute; tests should not wait for that.
if ON_REDIS and "PROBE_VISIBILITY_SECONDS" in os.environ:
    app.conf.broker_transport_options = {
        **app.conf.broker_transport_options,
        "visibility_timeout": int(os.environ["PROBE_VISIBILITY_SECONDS"]),
    }
