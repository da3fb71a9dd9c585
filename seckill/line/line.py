"""The line itself: runs commands on Redis, blocking (`Line`, for workers and views) or not (`AsyncLine`, for the gate)."""

from collections.abc import Sequence
from dataclasses import astuple
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import redis
import redis.asyncio
from django.conf import settings
from redis.backoff import ExponentialBackoff

from seckill.line.command import Command
from seckill.line.keys import sale_keys
from seckill.line.ordered_calls import OrderedCalls
from seckill.line.outcome import Outcome, decode

if TYPE_CHECKING:
    from redis.commands.core import AsyncScript, Script

T = TypeVar("T")

# Every script may run twice with the same answer, so a lost reply is simply asked for again. Together with the
# time-outs this keeps a gate's call that can't succeed below two seconds.
RETRIES = 2
BACKOFF = ExponentialBackoff(cap=0.2, base=0.02)
SOCKET_TIMEOUT_SECONDS = 0.6
# uvloop raises RuntimeError for writing to a connection that has just been closed, which redis-py does not expect.
CONNECTION_LOST: Any = (redis.ConnectionError, redis.TimeoutError, RuntimeError)
# Calls that can't be grouped (a crowd that rejoins, polls of made-up sales) wait for a free connection, not fail.
CONNECTIONS_MAX = 32
CONNECTION_WAIT_SECONDS = 2
CALLS_AT_ONCE = 100  # of `Line.run_all`: Redis answers others in between


class Line:
    """Runs commands and waits for the reply. Safe to share between threads; make a new one after a fork."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._scripts: dict[str, Script] = {}

    def run(self, command: Command[T]) -> T:
        """The command's result. Raises what the command says, and redis.RedisError when Redis can't be reached."""
        return command.parse_reply(cast("list[Any]", self._script(command)(keys=command.keys, args=command.args)))

    def run_all(self, commands: Sequence[Command[T]]) -> list[T | redis.ResponseError]:
        """The results of many calls, `CALLS_AT_ONCE` in a round trip; what Redis refuses is an error among them.

        Raises what a command says, and redis.RedisError when Redis can't be reached.
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
        """The buyer's outcome in a sale, None while undecided."""
        text = self.client.hget(sale_keys(sale_id).outcomes, buyer)
        return decode(cast("str", text)) if text else None

    def length(self, sale_id: int) -> int:
        """How many places were given out."""
        return self.client.llen(sale_keys(sale_id).line)

    def invalidate(self, sale_id: int) -> bool:
        """Make a sale unknown, so that nobody is admitted or settled from here on; who stands in line stays there.

        Gives whether the line is lost: nobody stands there, or nobody did when an earlier rebuild began and broke off.
        """
        keys = sale_keys(sale_id)
        self.client.delete(keys.meta, keys.stock, keys.pointer, keys.pending)
        self.client.unlink(keys.outcomes)
        if not self.client.exists(keys.line):
            self.client.set(keys.rebuilding, 1)
        return bool(self.client.exists(keys.rebuilding))

    def server_run_id_if_volatile(self) -> str:
        """The run id of the server, empty where its restart loses nothing that was answered.

        That is a server of its own that writes each answer to the disk first. A replica that takes over has been told
        later than the buyers were, and a hosted server may not say how it writes.
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
        """Let Redis drop everything about a sale after so many seconds."""
        pipeline = self.client.pipeline(transaction=False)
        for key in astuple(sale_keys(sale_id)):
            pipeline.expire(key, seconds)
        pipeline.execute()


class AsyncLine:
    """Runs commands without blocking the event loop it was made on."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.client = client
        self._scripts: dict[str, AsyncScript] = {}
        self._ordered = OrderedCalls(
            client.connection_pool, redis.asyncio.retry.Retry(BACKOFF, RETRIES, CONNECTION_LOST)
        )

    async def close(self) -> None:
        """Let go of Redis."""
        await self._ordered.close()
        await self.client.aclose()

    async def run_in_order(self, command: Command[T]) -> T:
        """As `run`, after all calls that were made with this method before; they need not have ended."""
        return await self._ordered.run(command)

    async def run(self, command: Command[T]) -> T:
        """The command's result. Raises what the command says, and redis.RedisError when Redis can't be reached."""
        script = self._scripts.get(command.script)
        if script is None:
            script = self._scripts[command.script] = self.client.register_script(command.source)
        return command.parse_reply(cast("list[Any]", await script(keys=command.keys, args=command.args)))

    async def get_outcomes(self, sale_id: int, buyers: Sequence[str]) -> list[Outcome | int | None]:
        """For each buyer the outcome, or the place while it is undecided, or None if the line does not know the buyer.

        Raises redis.RedisError when Redis can't be reached.
        """
        keys = sale_keys(sale_id)
        outcomes = await self.client.hmget(keys.outcomes, list(buyers))
        undecided = [buyer for buyer, outcome in zip(buyers, outcomes, strict=True) if outcome is None]
        places: dict[str, str | None] = {}
        if undecided:  # after the outcomes: who is decided meanwhile still has a place
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
    """This process' line at ``REDIS_URL``."""
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
    """A line at ``REDIS_URL`` for the running event loop; close it before the loop ends."""
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
