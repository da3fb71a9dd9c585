"""Deferred responses: look-ups that no batch can share, each run as a task; and the responses to errors."""

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
    """Return the response to an error: 503 if Redis or the database is away, else 500, with a traceback in the log."""
    if isinstance(error, redis.RedisError | DatabaseError):
        log.warning("server_unavailable", server=type(error).__module__, error=str(error))
        return problem_response(Problem.UNAVAILABLE)
    log.error("gate_request_failed", exc_info=error)
    return problem_response(Problem.INTERNAL)


class DeferredResponses:
    """Runs coroutines that respond to requests. There are never more of them than open connections."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], caller: Caller) -> None:
        """Run ``work``, which responds to ``caller``. If it raises, respond with the error."""
        task = asyncio.create_task(self._run(work, caller))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, work: Coroutine[Any, Any, None], caller: Caller) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 (each is logged and gets a response)
            caller.respond(error_response(error))
