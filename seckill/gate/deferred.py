"""Late answers: what cannot be answered at once without I/O, and what a fault is answered with."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import redis
import structlog
from django.db import DatabaseError

from seckill.errors.problems import Problem
from seckill.gate.request import Caller
from seckill.gate.response import Response, problem_response

log = structlog.get_logger(__name__)


def error_response(error: Exception) -> Response:
    """The answer for what went wrong: 503 while a server is away, else 500 and a traceback in the log."""
    if isinstance(error, redis.RedisError | DatabaseError):
        log.warning("server_unavailable", error=str(error))
        return problem_response(Problem.UNAVAILABLE)
    log.error("gate_failed", exc_info=error)
    return problem_response(Problem.INTERNAL)


class DeferredResponses:
    """Runs coroutines that answer somebody. There are no more of them than open connections."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], caller: Caller) -> None:
        """Run ``work``, which answers ``asker``; what it raises is answered here."""
        task = asyncio.create_task(self._run(work, caller))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, work: Coroutine[Any, Any, None], caller: Caller) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 (each is answered, and logged)
            caller.respond(error_response(error))
