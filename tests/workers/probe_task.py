"""Tasks that only tests need: ``celery -A celery_task worker --include tests.workers.probe_task``."""

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
    """Leave a line where the test finds it."""
    with redis.Redis.from_url(settings.CACHE_URL) as client:
        client.rpush(where, text)


@app.task
def write(where: str, text: str) -> None:
    """Leave a line."""
    note(where, text)


@app.task
def work(where: str, name: str) -> None:
    """Say when it begins and when it ends, which is when it is let go."""
    note(where, f"{name} begins")
    may_end = f"{name} may end"
    with redis.Redis.from_url(settings.CACHE_URL, socket_timeout=2 * HELD_SECONDS_MAX) as client:
        # It stays there: a worker that was killed may still count as waiting, and would take it along.
        client.blmove(may_end, may_end, HELD_SECONDS_MAX, "LEFT", "LEFT")
    note(where, f"{name} ends")


def let_go(name: str) -> None:
    """Let the work of this name end, now and whenever it is done again; called by tests."""
    note(f"{name} may end", "now")


@app.task(soft_time_limit=1, time_limit=30)
def give_up_softly(where: str) -> None:
    """Take longer than it may, and tidy up when it is told."""
    try:
        time.sleep(20)
    except SoftTimeLimitExceeded:
        note(where, "tidied up")
        raise


@app.task(soft_time_limit=1, time_limit=2)
def never_end(where: str) -> None:
    """Take longer than it may, and not listen."""
    note(where, "begins")
    while True:
        with suppress(SoftTimeLimitExceeded):
            time.sleep(60)


@app.task(bind=True, autoretry_for=(ZeroDivisionError,), retry_backoff=1, retry_jitter=True, max_retries=2)
def fail(self: object, where: str, sale_id: int, upto: int) -> None:  # noqa: ARG001 (what it is about)
    """Fail each time."""
    note(where, "tried")
    raise ZeroDivisionError("for the test")


@app.task
def whose_connections(where: str) -> None:
    """Say which process this is, and which connections it has to Redis and PostgreSQL."""
    client = get_line().client
    connection.ensure_connection()
    backend = connection.connection.info.backend_pid if connection.vendor == "postgresql" else os.getpid()
    note(where, f"{os.getpid()} {client.client_id()} {backend}")
    time.sleep(0.3)  # the next one has to go to another child


@app.task
def grow(where: str, mib: int) -> None:
    """Take memory and keep it."""
    KEPT.append(bytearray(os.urandom(1024)) * 1024 * mib)
    note(where, str(os.getpid()))


@app.task(ignore_result=False)
def answer(number: int) -> int:
    """Give a result."""
    return number + 1


# A killed worker's message comes back to Redis after half a minute: no test should wait for so long.
if ON_REDIS and "PROBE_VISIBILITY_SECONDS" in os.environ:
    app.conf.broker_transport_options = {
        **app.conf.broker_transport_options,
        "visibility_timeout": int(os.environ["PROBE_VISIBILITY_SECONDS"]),
    }
