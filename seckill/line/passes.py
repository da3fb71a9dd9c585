"""Pass: a signed token that lets one buyer buy in one sale, and see, pay and cancel the order."""

from functools import cache

from msgspec import Struct

from seckill.line.buyers import BUYER_RE
from seckill.line.signing import Signer
from seckill.timestamps import format_iso8601

# Validity of a pass after its sale closes: the buyer can still see the order and pay for it.
VALID_AFTER_CLOSING_MS = 86_400_000


@cache
def _signer() -> Signer:
    return Signer("pass")


class Pass(Struct, frozen=True):
    """The right of one buyer to buy in one sale. Times are milliseconds since 1970, UTC.

    ``not_before_ms`` only informs the buyer. Redis checks the sale's window by its own clock, so a pass stays valid
    when the shop moves the opening.
    """

    sale_id: int
    buyer: str  #: 1-64 characters of ``A-Za-z0-9_.:@-``
    not_before_ms: int
    expires_ms: int

    def sign(self) -> str:
        """Return the token for the buyer.

        Raises:
            ValueError: ``buyer`` has other characters, or more than 64.
        """
        if not BUYER_RE.fullmatch(self.buyer):
            raise ValueError(f"not a buyer's name: {self.buyer!r}")
        return _signer().sign(f"{self.sale_id} {self.buyer} {self.not_before_ms} {self.expires_ms}")

    @classmethod
    def of_sale(cls, sale_id: int, buyer: str, *, opens_ms: int, closes_ms: int) -> "Pass":
        """Return a buyer's pass for a sale with this window (milliseconds since 1970, UTC)."""
        return cls(sale_id, buyer, opens_ms, closes_ms + VALID_AFTER_CLOSING_MS)

    @classmethod
    def verify(cls, token: str) -> "Pass":
        """Return the pass in ``token``. The caller has to check whether it has expired.

        Raises:
            BadTokenError: the token was not signed as a pass.
        """
        sale_id, buyer, not_before_ms, expires_ms = _signer().verify(token).split(" ")
        return cls(int(sale_id), buyer, int(not_before_ms), int(expires_ms))


def pass_json(sale_id: int, buyer: str, *, opens_ms: int, closes_ms: int) -> dict[str, str]:
    """Return the response document with a new pass. Times are milliseconds since 1970, UTC.

    Raises:
        ValueError: see `Pass.sign`.
    """
    issued = Pass.of_sale(sale_id, buyer, opens_ms=opens_ms, closes_ms=closes_ms)
    return {
        "pass": issued.sign(),
        "not_before": format_iso8601(issued.not_before_ms),
        "expires_at": format_iso8601(issued.expires_ms),
    }
