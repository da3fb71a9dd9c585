"""Every Redis key of a sale.

All keys of a sale share the hash tag ``{sale:ID}``, so one Lua script may touch all of them on a cluster too.
"""

from dataclasses import astuple, dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class SaleKeys:
    """The key names of one sale. Scripts get all of them, in this order (``lua/sale.lua``)."""

    meta: str  #: hash: epoch, window, status, stock total, limits; while it is missing the sale is *not loaded*
    stock: str  #: integer: units neither reserved nor sold; may dip below 0 until a double count is given back
    line: str  #: list of buyers; index = place - 1; an empty string is a hole (a place whose buyer did not come back)
    places: str  #: hash: buyer -> place
    pointer: str  #: integer: every place up to it is decided or reserved
    pending: str  #: hash: reservation id -> "first last units reserved_ms": places that are not confirmed yet
    outcomes: str  #: hash: buyer -> outcome, written once the ledger has it
    rebuilding: str  #: flag: the line was found lost, and is not rebuilt yet

    def all(self) -> list[str]:
        """In the order of the fields."""
        return list(astuple(self))


@lru_cache(maxsize=1024)
def sale_keys(sale_id: int) -> SaleKeys:
    """The key names of sale ``sale_id``."""
    tag = f"{{sale:{sale_id}}}"
    return SaleKeys(
        meta=f"{tag}:meta",
        stock=f"{tag}:stock",
        line=f"{tag}:line",
        places=f"{tag}:places",
        pointer=f"{tag}:pointer",
        pending=f"{tag}:pending",
        outcomes=f"{tag}:outcomes",
        rebuilding=f"{tag}:rebuilding",
    )
