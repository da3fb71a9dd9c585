"""Ordered calls: several are under way on one connection to Redis, which runs them in the order they were made."""

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

import redis.asyncio
import structlog
from redis.asyncio.retry import Retry

from seckill.line.verbs import Verb

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

T = TypeVar("T")

log = structlog.get_logger(__name__)


class OrderedCalls:
    """Sends a call without waiting for the replies to those before it. On connections of a pool it could overtake them.

    When the connection breaks, the calls that have no reply are made again on a new one.
    """

    def __init__(self, pool: redis.asyncio.ConnectionPool, retry: Retry) -> None:
        """Connect as ``pool`` does, beside its connections."""
        self._pool = pool
        self._retry = retry
        self._connection: AbstractConnection | None = None
        self._sending = asyncio.Lock()  # whoever waits for it gets it in turn
        self._newest = asyncio.Event()  #: set when the newest call has its reply
        self._newest.set()

    async def run(self, verb: Verb[T]) -> T:
        """The verb's result. Raises what the verb says, and redis.RedisError when Redis can't be reached."""
        return verb.read(await self._retry.call_with_retry(lambda: self._call(verb), self._failed))

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.disconnect()

    async def _call(self, verb: Verb[Any]) -> list[Any]:
        connection: AbstractConnection | None = None
        replied = asyncio.Event()
        try:
            async with self._sending:
                before, self._newest = self._newest, replied
                if self._connection is None:
                    self._connection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's own
                connection = self._connection
                # Not by its hash: where the server has forgotten the script, others would overtake the second call.
                await connection.send_command("EVAL", verb.source, len(verb.keys), *verb.keys, *verb.args)
            await before.wait()
            return cast("list[Any]", await connection.read_response())
        except redis.ResponseError:
            raise
        except BaseException:
            # Replies that still come on it would be taken for those to later calls.
            if connection is not None:
                self._connection = None if self._connection is connection else self._connection
                await connection.disconnect(nowait=True)
            raise
        finally:
            replied.set()

    @staticmethod
    async def _failed(error: Exception) -> None:
        log.info("redis_asked_again", error=str(error))
