"""Pass: the signed right of one buyer to buy in one sale."""

import re
from functools import cache

from msgspec import Struct

from seckill.line.signing import Signer
from seckill.timestamps import format_iso8601

# A pass stays good for a day after its sale, so that its holder can still look at the order and pay it.
PASS_AFTER_CLOSING_MS = 86_400_000
BUYER_RE = re.compile(r"[A-Za-z0-9_.:@-]{1,64}")


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
        if not BUYER_RE.fullmatch(self.buyer):
            raise ValueError(f"not a buyer's name: {self.buyer!r}")
        return _signer().sign(f"{self.sale_id} {self.buyer} {self.not_before_ms} {self.expires_ms}")

    @classmethod
    def verify(cls, token: str) -> "Pass":
        """The pass in ``token``; whether it has expired is the caller's to ask. Raises BadTokenError."""
        sale_id, buyer, not_before_ms, expires_ms = _signer().verify(token).split(" ")
        return cls(int(sale_id), buyer, int(not_before_ms), int(expires_ms))


def pass_json(sale_id: int, buyer: str, *, opens_ms: int, closes_ms: int) -> dict[str, str]:
    """The answer to a buyer who may have a pass, the pass in it. Raises ValueError for an impossible buyer's name."""
    expires_ms = closes_ms + PASS_AFTER_CLOSING_MS
    token = Pass(sale_id, buyer, opens_ms, expires_ms).sign()
    return {"pass": token, "not_before": format_iso8601(opens_ms), "expires_at": format_iso8601(expires_ms)}
