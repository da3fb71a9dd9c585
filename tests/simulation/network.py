"""Network: the connection to Redis. It may fail before or after a call, and may deliver every call twice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeVar

import redis

T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """After a number of calls, the next one is not delivered or its reply is lost. Later calls succeed.

    The caller gives up: the fault also stands for a process killed at this point.
    """

    calls: int
    reply_lost: bool


class Fate(Enum):
    """What happens to one call."""

    THROUGH = auto()
    NEVER_ARRIVES = auto()
    REPLY_LOST = auto()


@dataclass
class Network:
    """Decides the fate of every call, in the model and in reality alike."""

    twice: bool = False  #: a client that retries: each call is delivered twice, and the second reply is returned
    _fault: Fault | None = None
    _calls: int = 0

    @contextmanager
    def breaking(self, fault: Fault | None) -> Iterator[None]:
        """Apply the fault within the block, if it makes enough calls."""
        self._fault, self._calls = fault, 0
        try:
            yield
        finally:
            self._fault = None

    def fate(self) -> Fate:
        """Return the fate of the next call."""
        if self._fault is None or self._calls < self._fault.calls:
            self._calls += 1
            return Fate.THROUGH
        fault, self._fault = self._fault, None
        return Fate.REPLY_LOST if fault.reply_lost else Fate.NEVER_ARRIVES

    def call(self, do: Callable[[], T]) -> T:
        """Make the call. Raises redis.ConnectionError."""
        fate = self.fate()
        if fate is Fate.NEVER_ARRIVES:
            raise redis.ConnectionError
        if self.twice:
            do()
        reply = do()
        if fate is Fate.REPLY_LOST:
            raise redis.ConnectionError
        return reply
