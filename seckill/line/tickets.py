"""Ticket: the signed handle of a place in line; whoever holds it may ask what became of that place, nothing else."""

from functools import cache, lru_cache

from msgspec import Struct

from seckill.line.signing import Signer

# A buyer polls with the same ticket for minutes, and a process has up to 10,000 connections. Each ticket that is kept
# takes some 400 bytes.
VERIFIED_MAX = 16_384


@cache
def _signer() -> Signer:
    return Signer("ticket")


class Ticket(Struct, frozen=True):
    """A place in the line of one sale. The same place always gives the same token."""

    sale_id: int
    place: int  #: from 1
    buyer: str
    epoch: int  #: of the line that gave the place

    def sign(self) -> str:
        """The token to hand to the buyer."""
        return _signer().sign(f"{self.sale_id} {self.place} {self.buyer} {self.epoch}")

    @classmethod
    def verify(cls, token: str) -> "Ticket":
        """The ticket in ``token``. Raises BadTokenError."""
        return _verified(token)


@lru_cache(maxsize=VERIFIED_MAX)
def _verified(token: str) -> Ticket:
    sale_id, place, buyer, epoch = _signer().verify(token).split(" ")
    return Ticket(int(sale_id), int(place), buyer, int(epoch))
