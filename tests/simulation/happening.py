"""The kinds of events of the machine, and the work that they start."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import hypothesis.strategies as st

from seckill.line.commands import Reservation
from tests.simulation.world import Decided

if TYPE_CHECKING:
    from tests.simulation.machine import Machine


Do = TypeVar("Do", bound=Callable[..., None])


@dataclass(frozen=True)
class Happening:
    """A kind of event."""

    do: Callable[["Machine", st.DataObject], None]
    weight: int  #: relative frequency
    when: Callable[["Machine"], object]


HAPPENINGS: dict[str, Happening] = {}  #: by name


def happens(weight: int, when: Callable[["Machine"], object] = lambda _: True) -> Callable[[Do], Do]:
    """Register a method of the machine as an event."""

    def declare(do: Do) -> Do:
        HAPPENINGS[do.__name__] = Happening(do, weight, when)
        return do

    return declare


@dataclass
class Work:
    """A worker's reservation in progress."""

    name: str
    upto: int
    claim: Reservation | None = None
    decided: Decided | None = None
