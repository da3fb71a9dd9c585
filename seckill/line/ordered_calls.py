"""Ordered calls: several are under way on one connection to Redis, which runs them in the order they were made."""

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

    All calls go over one connection. On several connections, as a pool has them, a later call could overtake an
    earlier one.

    When the connection breaks, the calls that have no reply are made again on a new one. Then a later call may come
    before an earlier one: their order is kept on one connection only.
    """

    def __init__(self, pool: redis.asyncio.ConnectionPool, retry: Retry) -> None:
        """The connection is made with the settings of ``pool``, but is not one of the pool's."""
        self._pool = pool
        self._retry = retry
        self._connection: AbstractConnection | None = None
        self._sending = asyncio.Lock()  # a fair lock: calls get it in the order in which they ask
        self._failures = 0  #: how often a call could not be sent
        self._newest = asyncio.Event()  #: set when the newest call has its reply
        self._newest.set()

    async def run(self, command: Command[T]) -> T:
        """The command's result. Raises what the command says, and redis.RedisError when Redis can't be reached."""
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
                # A reply that still comes would be taken for that to a later call.
                await self._disconnect(connection)
                raise
        except TimeoutError as error:
            raise redis.TimeoutError("Redis does not answer") from error
        finally:
            replied.set()

    async def _send(self, command: Command[Any], replied: asyncio.Event) -> tuple["AbstractConnection", asyncio.Event]:
        """Send a call in its turn, over a new connection if there is none.

        Returns the connection, and the event to wait for before its next reply is the one to this call.
        """
        failures = self._failures
        async with self._sending:
            if failures != self._failures:  # otherwise each call that waits would spend a time-out of its own
                raise redis.ConnectionError("Redis could not be reached while this call waited")
            if self._connection is None:
                self._connection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's own
                # redis-py sends within a time-out in another task (Python 3.11), and meanwhile another call may
                # disconnect. Without it a call is written at once; `_time_out` does the same for all that takes time.
                self._connection.socket_timeout = None
            connection, before = self._connection, self._newest
            self._newest = replied
            try:
                async with self._time_out():
                    # Not by the script's hash: a server that has forgotten the script would refuse this call, and the
                    # calls after it would be run before it is made again.
                    await connection.send_command(
                        "EVAL", command.source, len(command.keys), *command.keys, *command.args
                    )
            except BaseException as error:
                self._failures += isinstance(error, Exception)  # a call that was cancelled says nothing about Redis
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
