"""World: everything that happens in a sale, in steps small enough to be interrupted between any two."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from seckill.line.commands import Reservation, SaleConfig
from seckill.line.outcome import Outcome
from seckill.line.snapshot import Snapshot
from seckill.line.tickets import Ticket
from tests.simulation.clock import Clock
from tests.simulation.model_ledger import Books
from tests.simulation.model_line import Kept
from tests.simulation.network import Fault, Network

LEASE_MS = 5_000
REJOIN_MS = 6_000
PAY_WITHIN_MS = 900_000
SETTLE_CHUNK = 3  # small, so that a line takes several reservations

Decided = dict[str, Outcome]  #: by buyer
Answer = dict[str, object]  #: a poll's response without estimates


@dataclass(frozen=True)
class Joined:
    """The gate's responses to a batch of buyers, and up to which place it rings the doorbell (0 = not at all)."""

    answers: list[Ticket | str]  #: a ticket, or a reject reason
    bell: int


class World(ABC):
    """One sale with its line, ledger, gate and clock.

    A step interrupted by a fault raises redis.ConnectionError and leaves what was done until then. A step that needs a
    loaded sale raises SaleNotLoadedError when it is not.
    """

    clock: Clock
    network: Network

    # --- buyers, at the gate --------------------------------------------------------------------------------------

    @abstractmethod
    def join(self, buyers: Sequence[str], fault: Fault | None) -> Joined:
        """Send purchases that arrive together."""

    @abstractmethod
    def poll(self, ticket: Ticket, *, fresh: bool, fault: Fault | None) -> Answer:
        """Return the gate's response to a ticket, from a fresh snapshot or the cached one."""

    # --- a worker, step by step or in one go ----------------------------------------------------------------------

    @abstractmethod
    def reserve(self, reservation_id: str, upto: int, fault: Fault | None) -> Reservation | None:
        """Reserve places."""

    @abstractmethod
    def write(self, claim: Reservation, *, commit: bool) -> Decided:
        """Write the orders of a reservation. Without ``commit`` the transaction is rolled back."""

    @abstractmethod
    def confirm(self, claim: Reservation, decided: Decided, fault: Fault | None) -> int:
        """Write the ledger's outcomes to the line; return the units left."""

    @abstractmethod
    def rebuild(self, broken_epoch: int | None, fault: Fault | None) -> None:
        """Rebuild the line from the ledger, if it is still the epoch found broken."""

    @abstractmethod
    def settle(self, upto: int, fault: Fault | None) -> int:
        """Run all steps of a worker that got a doorbell; return how many places were settled."""

    # --- orders ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def pay(self, place: int) -> str:
        """Pay the order of a place, if it is not overdue; return its status."""

    @abstractmethod
    def cancel(self, place: int) -> str:
        """Cancel the order of a place; return its status."""

    # --- beat -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def sweep(self, fault: Fault | None) -> list[int]:
        """Find stuck work; return up to which places doorbells ring."""

    @abstractmethod
    def give_back(self, fault: Fault | None) -> list[int]:
        """Expire overdue orders and release units to the line; return up to which places doorbells ring."""

    @abstractmethod
    def reconcile(self, fault: Fault | None) -> None:
        """Compare line and ledger, and rebuild the line where they differ."""

    # --- shop and servers -----------------------------------------------------------------------------------------

    @abstractmethod
    def change(self, config: SaleConfig) -> None:
        """Change the row of the sale; the sweeper applies it."""

    @abstractmethod
    def wipe(self) -> None:
        """Redis loses all data."""

    @abstractmethod
    def remember(self) -> None:
        """Save Redis' present state for a later restart."""

    @abstractmethod
    def restart(self, back: int) -> None:
        """Restart Redis with the state saved ``back`` steps ago."""

    def advance(self, milliseconds: int) -> None:
        """Let time pass, for Redis and all others."""
        self.clock.advance(milliseconds)

    # --- state ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def kept(self) -> Kept:
        """Return everything Redis keeps about the sale."""

    @abstractmethod
    def books(self) -> Books:
        """Return everything the ledger keeps about the sale."""

    @abstractmethod
    def look(self) -> Snapshot | None:
        """Return the snapshot."""

    @abstractmethod
    def close(self) -> None:
        """Close connections to servers."""
