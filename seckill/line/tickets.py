"""Ticket: a signed token for a place in line.

Its holder can poll the outcome of that place, and by polling take the place back in a rebuilt line; nothing else.
"""

from functools import cache, lru_cache

from msgspec import Struct

from seckill.line.signing import Signer

# A buyer polls with the same ticket for minutes, and a process has up to 10,000 connections. A cached ticket takes some
# 400 bytes.
VERIFIED_MAX = 16_384


@cache
def _signer() -> Signer:
    return Signer("ticket")


class Ticket(Struct, frozen=True):
    """A place in the line of a sale. Signing the same ticket always returns the same token."""

    sale_id: int
    place: int  #: from 1
    buyer: str
    epoch: int  #: of the line when the place was issued

    def sign(self) -> str:
        """Return the token for the buyer."""
        return _signer().sign(f"{self.sale_id} {self.place} {self.buyer} {self.epoch}")

    @classmethod
    def verify(cls, token: str) -> "Ticket":
        """Return the ticket in ``token``.

        Raises:
            BadTokenError: the token was not signed as a ticket.
        """
        return _verified(token)


@lru_cache(maxsize=VERIFIED_MAX)
def _verified(token: str) -> Ticket:
    sale_id, place, buyer, epoch = _signer().verify(token).split(" ")
    return Ticket(int(sale_id), int(place), buyer, int(epoch))
