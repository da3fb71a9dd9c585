"""The Redis keys of a sale.

All keys of a sale share the hash tag ``{sale:ID}``, so a Lua script can use all of them on a Redis cluster, too.
"""

from dataclasses import astuple, dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class SaleKeys:
    """The key names of a sale. Every script gets all of them, in this order (``lua/sale.lua``)."""

    meta: str  #: hash: epoch, window, status, stock total, limits; without it the sale is *not loaded*
    #: integer: units neither reserved nor sold; below 0 while two workers confirm one reservation (``confirm.lua``)
    stock: str
    line: str  #: list of buyers; index = place - 1; an empty string is a hole (a place whose buyer did not come back)
    places: str  #: hash: buyer -> place
    pointer: str  #: integer: the last place that is decided or reserved
    pending: str  #: hash: reservation id -> "first last units reserved_ms", until it is confirmed
    outcomes: str  #: hash: buyer -> outcome, written after the ledger
    rebuilding: str  #: flag: the line was lost and is not rebuilt yet

    def all(self) -> list[str]:
        """Return the key names in the order of the fields."""
        return list(astuple(self))


@lru_cache(maxsize=1024)
def sale_keys(sale_id: int) -> SaleKeys:
    """Return the key names of a sale."""
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
