"""Every Redis key of a sale, in one place.

All keys of a sale share the hash tag ``{sale:ID}``, so one Lua script may touch all of them on a cluster too.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SaleKeys:
    """The key names of one sale."""

    meta: str  #: hash: epoch, window, status, stock total, limits; while it is missing the sale is *unknown*
    stock: str  #: integer: units neither reserved nor sold; may dip below 0 until a double count is given back
    line: str  #: list of buyers; index = place - 1; an empty string is a hole (a place nobody came back to)
    places: str  #: hash: buyer -> place
    pointer: str  #: integer: every place up to it is decided or claimed
    pending: str  #: hash: claim -> "first last units claimed_ms": places a worker reserved, not yet confirmed
    outcomes: str  #: hash: buyer -> outcome, written once the ledger has it
    lost: str  #: there from the moment a line is found lost until it is rebuilt


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
        lost=f"{tag}:lost",
    )
