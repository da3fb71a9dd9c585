"""Ticket: the signed handle of a place in line; whoever holds it may ask what became of that place, nothing else."""

from functools import cache

from msgspec import Struct

from seckill.line.signing import Signer


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
        sale_id, place, buyer, epoch = _signer().verify(token).split(" ")
        return cls(int(sale_id), int(place), buyer, int(epoch))
