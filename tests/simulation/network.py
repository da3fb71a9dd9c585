"""Network: the way to Redis. It may break before a call or after it, and may deliver every call twice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeVar

import redis

T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """So many calls go through; the next one never arrives, or only its reply is lost. Then everything works again.

    Whoever made that call gives up there: it stands for a process that is killed at this point too.
    """

    calls: int
    reply_lost: bool


class Fate(Enum):
    """What becomes of one call."""

    THROUGH = auto()
    NEVER_ARRIVES = auto()
    REPLY_LOST = auto()


@dataclass
class Network:
    """Decides over every call, in the model and in reality alike."""

    twice: bool = False  #: a client that retries: every call arrives two times, the second reply is the one seen
    _fault: Fault | None = None
    _calls: int = 0

    @contextmanager
    def breaking(self, fault: Fault | None) -> Iterator[None]:
        """The fault strikes in here, if so many calls are made."""
        self._fault, self._calls = fault, 0
        try:
            yield
        finally:
            self._fault = None

    def fate(self) -> Fate:
        """The next call's."""
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
