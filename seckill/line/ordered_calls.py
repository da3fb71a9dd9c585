"""Ordered calls: pipelines calls on one connection to Redis, so that Redis runs them in the order they were made."""

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

import redis.asyncio
import structlog
from redis.asyncio.retry import Retry

from seckill.line.command import Command

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

T = TypeVar("T")

log = structlog.get_logger(__name__)


class OrderedCalls:
    """Sends a call without waiting for the replies to the calls before it.

    All calls use one connection. On the connections of a pool, a later call could overtake an earlier one.

    When the connection breaks, the calls without a reply are retried on a new connection, and their order may change.
    """

    def __init__(self, pool: redis.asyncio.ConnectionPool, retry: Retry) -> None:
        """Use the settings of ``pool`` for a connection outside the pool."""
        self._pool = pool
        self._retry = retry
        self._connection: AbstractConnection | None = None
        self._sending = asyncio.Lock()  # fair: calls get the lock in the order in which they ask
        self._failures = 0  #: number of calls that could not be sent
        self._newest = asyncio.Event()  #: set when the newest call has its reply
        self._newest.set()

    async def run(self, command: Command[T]) -> T:
        """Run a command and return its result.

        Raises:
            SaleNotLoadedError: see the command.
            redis.RedisError: Redis can't be reached.
        """
        return command.parse_reply(await self._retry.call_with_retry(lambda: self._call(command), self._failed))

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.disconnect()

    async def _call(self, command: Command[Any]) -> list[Any]:
        replied = asyncio.Event()
        try:
            connection, before = await self._send(command, replied)
            try:
                await before.wait()
                async with self._time_out():
                    return cast("list[Any]", await connection.read_response())
            except redis.ResponseError:
                raise
            except BaseException:
                # A late reply would be read as the reply to a later call.
                await self._disconnect(connection)
                raise
        except TimeoutError as error:
            raise redis.TimeoutError("Redis does not answer") from error
        finally:
            replied.set()

    async def _send(self, command: Command[Any], replied: asyncio.Event) -> tuple["AbstractConnection", asyncio.Event]:
        """Send a call after the calls that wait already, over a new connection if there is none.

        Returns:
            The connection, and the event that is set when the call before has its reply. The next reply on the
            connection is then the one to this call.
        """
        failures = self._failures
        async with self._sending:
            if failures != self._failures:  # otherwise each waiting call would run into a time-out of its own
                raise redis.ConnectionError("Redis could not be reached while this call waited")
            if self._connection is None:
                self._connection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's own
                # With a socket time-out, redis-py sends in another task (Python 3.11), and another call may disconnect
                # meanwhile. Without one, a call is written at once. `_time_out` limits sending and reading instead.
                self._connection.socket_timeout = None
            connection, before = self._connection, self._newest
            self._newest = replied
            try:
                async with self._time_out():
                    # Not EVALSHA: a server that does not have the script would reject this call and run the calls after
                    # it before the retry.
                    await connection.send_command(
                        "EVAL", command.source, len(command.keys), *command.keys, *command.args
                    )
            except BaseException as error:
                self._failures += isinstance(error, Exception)  # a cancelled call says nothing about Redis
                await self._disconnect(connection)
                raise
            return connection, before

    def _time_out(self) -> asyncio.Timeout:
        return asyncio.timeout(self._pool.connection_kwargs["socket_timeout"])

    async def _disconnect(self, connection: "AbstractConnection") -> None:
        if self._connection is connection:
            self._connection = None
        await connection.disconnect(nowait=True)

    @staticmethod
    async def _failed(error: Exception) -> None:
        log.info("redis_call_retried", error=str(error))
