"""Lockstep: two worlds take every step together; their responses and their state must be equal."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import redis

from seckill.line.commands import Reservation, SaleConfig, SaleNotLoadedError
from seckill.line.snapshot import Snapshot
from seckill.line.tickets import Ticket
from tests.simulation.model_ledger import Books
from tests.simulation.model_line import Kept
from tests.simulation.network import Fault
from tests.simulation.world import Answer, Decided, Joined, World

T = TypeVar("T")


class Lockstep(World):
    """Returns what the model returns, or fails."""

    def __init__(self, model: World, real: World) -> None:
        self.model = model
        self.real = real
        self.clock = model.clock

    def _both(self, step: Callable[[World], T]) -> T:
        expected, expected_error = _outcome(step, self.model)
        found, error = _outcome(step, self.real)
        assert (found, type(error)) == (expected, type(expected_error))
        assert self.real.kept() == self.model.kept()
        assert self.real.books() == self.model.books()
        assert self.real.look() == self.model.look()
        if expected_error is not None:
            raise expected_error
        return expected  # type: ignore[return-value]  # there is one where there is no error

    def join(self, buyers: Sequence[str], fault: Fault | None) -> Joined:
        return self._both(lambda world: world.join(buyers, fault))

    def poll(self, ticket: Ticket, *, fresh: bool, fault: Fault | None) -> Answer:
        return self._both(lambda world: world.poll(ticket, fresh=fresh, fault=fault))

    def reserve(self, reservation_id: str, upto: int, fault: Fault | None) -> Reservation | None:
        return self._both(lambda world: world.reserve(reservation_id, upto, fault))

    def write(self, claim: Reservation, *, commit: bool) -> Decided:
        return self._both(lambda world: world.write(claim, commit=commit))

    def confirm(self, claim: Reservation, decided: Decided, fault: Fault | None) -> int:
        return self._both(lambda world: world.confirm(claim, decided, fault))

    def rebuild(self, broken_epoch: int | None, fault: Fault | None) -> None:
        return self._both(lambda world: world.rebuild(broken_epoch, fault))

    def settle(self, upto: int, fault: Fault | None) -> int:
        return self._both(lambda world: world.settle(upto, fault))

    def pay(self, place: int) -> str:
        return self._both(lambda world: world.pay(place))

    def cancel(self, place: int) -> str:
        return self._both(lambda world: world.cancel(place))

    def sweep(self, fault: Fault | None) -> list[int]:
        return self._both(lambda world: world.sweep(fault))

    def give_back(self, fault: Fault | None) -> list[int]:
        return self._both(lambda world: world.give_back(fault))

    def reconcile(self, fault: Fault | None) -> None:
        self._both(lambda world: world.reconcile(fault))

    def change(self, config: SaleConfig) -> None:
        self._both(lambda world: world.change(config))

    def wipe(self) -> None:
        self._both(lambda world: world.wipe())

    def remember(self) -> None:
        self._both(lambda world: world.remember())

    def restart(self, back: int) -> None:
        self._both(lambda world: world.restart(back))

    def advance(self, milliseconds: int) -> None:
        self._both(lambda world: world.advance(milliseconds))

    def kept(self) -> Kept:
        return self.model.kept()

    def books(self) -> Books:
        return self.model.books()

    def look(self) -> Snapshot | None:
        return self.model.look()

    def close(self) -> None:
        self.model.close()
        self.real.close()


def _outcome(step: Callable[[World], T], world: World) -> tuple[T | None, Exception | None]:
    try:
        return step(world), None
    except (redis.ConnectionError, SaleNotLoadedError) as error:
        return None, error
