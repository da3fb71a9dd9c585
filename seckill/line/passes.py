"""Pass: the signed right of one buyer to buy in one sale."""

import re
from functools import cache

from msgspec import Struct

from seckill.line.signing import Signer

BUYER = re.compile(r"[A-Za-z0-9_.:@-]{1,64}")


@cache
def _signer() -> Signer:
    return Signer("pass")


class Pass(Struct, frozen=True):
    """Who may buy what, and when. Times are milliseconds since 1970, UTC.

    ``not_before_ms`` is information for the buyer: the sale's own window, by Redis' clock, is what lets anybody in, so
    a pass stays right when the shop moves the opening.
    """

    sale_id: int
    buyer: str  #: 1-64 characters of ``A-Za-z0-9_.:@-``
    not_before_ms: int
    expires_ms: int

    def sign(self) -> str:
        """The token to hand to the buyer. Raises ValueError for a buyer's name that can't be one."""
        if not BUYER.fullmatch(self.buyer):
            raise ValueError(f"not a buyer's name: {self.buyer!r}")
        return _signer().sign(f"{self.sale_id} {self.buyer} {self.not_before_ms} {self.expires_ms}")

    @classmethod
    def verify(cls, token: str) -> "Pass":
        """The pass in ``token``; whether it has expired is the caller's to ask. Raises BadTokenError."""
        sale_id, buyer, not_before_ms, expires_ms = _signer().verify(token).split(" ")
        return cls(int(sale_id), buyer, int(not_before_ms), int(expires_ms))
