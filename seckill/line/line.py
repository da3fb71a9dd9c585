"""Line: the connection to Redis that runs commands, for all sales.

`Line` blocks (workers and views), `AsyncLine` does not (the gate).
"""

from collections.abc import Sequence
from dataclasses import astuple
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import redis
import redis.asyncio
from django.conf import settings
from redis.backoff import ExponentialBackoff

from seckill import conf
from seckill.line.command import Command
from seckill.line.keys import sale_keys
from seckill.line.ordered_calls import OrderedCalls
from seckill.line.outcome import Outcome, decode

if TYPE_CHECKING:
    from redis.commands.core import AsyncScript, Script

T = TypeVar("T")

# Every script may run twice and replies the same, so a call without a reply is retried. With these time-outs a call of
# the gate that can't succeed fails in less than two seconds.
RETRIES = 2
BACKOFF = ExponentialBackoff(cap=0.2, base=0.02)
SOCKET_TIMEOUT_SECONDS = conf.LINE_TIMEOUT_SECONDS
# uvloop raises RuntimeError on a write to a connection that has just been closed. redis-py does not expect it.
CONNECTION_LOST: Any = (redis.ConnectionError, redis.TimeoutError, RuntimeError)
# Calls that can't be batched (rejoining buyers, polls of made-up sales) wait for a free connection instead of failing.
CONNECTIONS_MAX = conf.LINE_CONNECTIONS_MAX
CONNECTION_WAIT_SECONDS = conf.LINE_CONNECTION_WAIT_SECONDS
CALLS_AT_ONCE = 100  # in a pipeline of `Line.run_all`; Redis serves other clients in between


class Line:
    """Runs commands and waits for their replies. Thread-safe, but not fork-safe."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._scripts: dict[str, Script] = {}

    def run(self, command: Command[T]) -> T:
        """Run a command and return its result.

        Raises:
            SaleNotLoadedError: see the command.
            redis.RedisError: Redis can't be reached.
        """
        return command.parse_reply(cast("list[Any]", self._script(command)(keys=command.keys, args=command.args)))

    def run_all(self, commands: Sequence[Command[T]]) -> list[T | redis.ResponseError]:
        """Run commands, `CALLS_AT_ONCE` in a round trip, and return their results.

        The result of a command that Redis rejects is the ResponseError.

        Raises:
            SaleNotLoadedError: see the commands.
            redis.RedisError: Redis can't be reached.
        """
        replies: list[Any] = []
        for first in range(0, len(commands), CALLS_AT_ONCE):
            pipeline = self.client.pipeline(transaction=False)
            for command in commands[first : first + CALLS_AT_ONCE]:
                self._script(command)(keys=command.keys, args=command.args, client=pipeline)
            replies += pipeline.execute(raise_on_error=False)
        return [
            reply if isinstance(reply, redis.ResponseError) else command.parse_reply(reply)
            for command, reply in zip(commands, replies, strict=True)
        ]

    def _script(self, command: Command[Any]) -> "Script":
        script = self._scripts.get(command.script)
        if script is None:
            script = self._scripts[command.script] = self.client.register_script(command.source)
        return script

    def outcome(self, sale_id: int, buyer: str) -> Outcome | None:
        """Return a buyer's outcome, None while undecided."""
        text = self.client.hget(sale_keys(sale_id).outcomes, buyer)
        return decode(cast("str", text)) if text else None

    def length(self, sale_id: int) -> int:
        """Return the number of places issued."""
        return self.client.llen(sale_keys(sale_id).line)

    def invalidate(self, sale_id: int) -> bool:
        """Unload a sale: no buyer is admitted or settled until it is rebuilt. The line keeps its buyers.

        Returns:
            Whether the line is lost: it is missing, or was missing when an earlier, unfinished rebuild began.
        """
        keys = sale_keys(sale_id)
        self.client.delete(keys.meta, keys.stock, keys.pointer, keys.pending)
        self.client.unlink(keys.outcomes)
        if not self.client.exists(keys.line):
            self.client.set(keys.rebuilding, 1)
        return bool(self.client.exists(keys.rebuilding))

    def server_run_id_if_volatile(self) -> str:
        """Return the run id of the Redis server, or '' if a restart can't lose a write that was acknowledged.

        A restart loses nothing if the server has no replica and syncs each write to disk before it replies
        (``appendfsync always``). Replication is asynchronous, so a replica that takes over may lack the last writes. A
        hosted server that does not reveal its settings counts as volatile.
        """
        try:
            writes = self.client.config_get("append*")
        except redis.ResponseError:
            writes = {}
        copies = self.client.info("replication")
        alone = copies["role"] == "master" and copies["connected_slaves"] == 0
        if alone and (writes.get("appendonly"), writes.get("appendfsync")) == ("yes", "always"):
            return ""
        return str(self.client.info("server")["run_id"])

    def expire_after(self, sale_id: int, seconds: int) -> None:
        """Set all keys of a sale to expire after ``seconds``."""
        pipeline = self.client.pipeline(transaction=False)
        for key in astuple(sale_keys(sale_id)):
            pipeline.expire(key, seconds)
        pipeline.execute()


class AsyncLine:
    """Runs commands without blocking. Use it only on the event loop it was created on."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.client = client
        self._scripts: dict[str, AsyncScript] = {}
        self._ordered = OrderedCalls(
            client.connection_pool, redis.asyncio.retry.Retry(BACKOFF, RETRIES, CONNECTION_LOST)
        )

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._ordered.close()
        await self.client.aclose()

    async def run_in_order(self, command: Command[T]) -> T:
        """Run a command after all earlier calls of this method, without waiting for their replies. Raises as `run`."""
        return await self._ordered.run(command)

    async def run(self, command: Command[T]) -> T:
        """Run a command and return its result.

        Raises:
            SaleNotLoadedError: see the command.
            redis.RedisError: Redis can't be reached.
        """
        script = self._scripts.get(command.script)
        if script is None:
            script = self._scripts[command.script] = self.client.register_script(command.source)
        return command.parse_reply(cast("list[Any]", await script(keys=command.keys, args=command.args)))

    async def get_outcomes(self, sale_id: int, buyers: Sequence[str]) -> list[Outcome | int | None]:
        """Return for each buyer the outcome, or the place while undecided, or None for a buyer who is not in the line.

        Raises:
            redis.RedisError: Redis can't be reached.
        """
        keys = sale_keys(sale_id)
        outcomes = await self.client.hmget(keys.outcomes, list(buyers))
        undecided = [buyer for buyer, outcome in zip(buyers, outcomes, strict=True) if outcome is None]
        places: dict[str, str | None] = {}
        if undecided:  # read after the outcomes: a buyer who is decided in between still has a place
            found = cast("list[str | None]", await self.client.hmget(keys.places, undecided))
            places = dict(zip(undecided, found, strict=True))
        return [
            decode(outcome) if outcome is not None else _number(places[buyer])
            for buyer, outcome in zip(buyers, outcomes, strict=True)
        ]


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


@cache
def get_line() -> Line:
    """Return the `Line` of this process, at ``REDIS_URL``."""
    return Line(
        redis.Redis.from_url(
            settings.REDIS_URL,
            decode_responses=True,
            socket_timeout=SOCKET_TIMEOUT_SECONDS * 5,
            socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
            retry=redis.retry.Retry(BACKOFF, RETRIES),
        )
    )


def open_async_line() -> AsyncLine:
    """Return an `AsyncLine` at ``REDIS_URL`` for the running event loop. Close it before the loop ends."""
    return AsyncLine(
        redis.asyncio.Redis.from_pool(
            redis.asyncio.BlockingConnectionPool.from_url(
                settings.REDIS_URL,
                max_connections=CONNECTIONS_MAX,
                timeout=CONNECTION_WAIT_SECONDS,
                decode_responses=True,
                socket_timeout=SOCKET_TIMEOUT_SECONDS,
                socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
                retry=redis.asyncio.retry.Retry(BACKOFF, RETRIES, CONNECTION_LOST),
            )
        )
    )
