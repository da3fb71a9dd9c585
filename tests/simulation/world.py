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
SETTLE_CHUNK = 3  # small, so that a line takes several claims

Decided = dict[str, Outcome]  #: by buyer
Answer = dict[str, object]  #: what a poll shows; everything but estimates


@dataclass(frozen=True)
class Joined:
    """What the gate answered to a group of buyers, and up to which place it rings the doorbell (0 = it does not)."""

    answers: list[Ticket | str]  #: a ticket, or why not
    bell: int


class World(ABC):
    """One sale with its line, ledger, gate and clock.

    What breaks off because of a fault raises redis.ConnectionError, and leaves behind what was done until then. Where
    the sale is unknown and the step needs it, SaleNotLoadedError is raised.
    """

    clock: Clock
    network: Network

    # --- buyers, at the gate --------------------------------------------------------------------------------------

    @abstractmethod
    def join(self, buyers: Sequence[str], fault: Fault | None) -> Joined:
        """Purchases that arrive together."""

    @abstractmethod
    def poll(self, ticket: Ticket, *, fresh: bool, fault: Fault | None) -> Answer:
        """What the gate says about a ticket, by a fresh snapshot or by the last one it has read."""

    # --- a worker, step by step or in one go ----------------------------------------------------------------------

    @abstractmethod
    def reserve(self, reservation_id: str, upto: int, fault: Fault | None) -> Reservation | None:
        """Claim places."""

    @abstractmethod
    def write(self, claim: Reservation, *, commit: bool) -> Decided:
        """Write the orders of a claim; without ``commit`` the transaction is rolled back after all."""

    @abstractmethod
    def confirm(self, claim: Reservation, decided: Decided, fault: Fault | None) -> int:
        """Tell the line what the ledger decided; gives the units left."""

    @abstractmethod
    def rebuild(self, broken_epoch: int | None, fault: Fault | None) -> None:
        """Build the line from the ledger, if it is still the one found broken."""

    @abstractmethod
    def settle(self, upto: int, fault: Fault | None) -> int:
        """All steps of a worker who heard a doorbell; gives how many places were settled."""

    # --- orders ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def pay(self, place: int) -> str:
        """Pay the order of a place, if its time is not over; gives its status then."""

    @abstractmethod
    def cancel(self, place: int) -> str:
        """Cancel the order of a place; gives its status then."""

    # --- beat -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def sweep(self, fault: Fault | None) -> list[int]:
        """Find what got stuck; gives up to which places doorbells ring."""

    @abstractmethod
    def give_back(self, fault: Fault | None) -> list[int]:
        """End overdue orders, return units to the line; gives up to which places doorbells ring."""

    @abstractmethod
    def reconcile(self, fault: Fault | None) -> None:
        """Compare line and ledger, and rebuild the line where they differ."""

    # --- shop and servers -----------------------------------------------------------------------------------------

    @abstractmethod
    def change(self, config: SaleConfig) -> None:
        """The shop changes the row of the sale; the sweeper will notice."""

    @abstractmethod
    def wipe(self) -> None:
        """Redis loses everything."""

    @abstractmethod
    def remember(self) -> None:
        """Redis' present state is one that a restart may go back to."""

    @abstractmethod
    def restart(self, back: int) -> None:
        """Redis restarts, and has lost what happened since the moment remembered so many steps ago."""

    def advance(self, milliseconds: int) -> None:
        """Let time pass, for Redis and everybody else."""
        self.clock.advance(milliseconds)

    # --- to look at -----------------------------------------------------------------------------------------------

    @abstractmethod
    def kept(self) -> Kept:
        """Everything Redis keeps about the sale."""

    @abstractmethod
    def books(self) -> Books:
        """Everything the ledger keeps about the sale."""

    @abstractmethod
    def look(self) -> Snapshot | None:
        """What a snapshot shows."""

    @abstractmethod
    def close(self) -> None:
        """Let go of servers."""
