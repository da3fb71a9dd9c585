"""Every Redis key of the line, in one place.

All keys of a sale share the hash tag ``{sale:ID}``, so one Lua script may touch all of them on a cluster too; so do
those of the logins.
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


@dataclass(frozen=True, slots=True)
class LoginKeys:
    """The key names of what is known about login cookies."""

    marks: str  #: hash: buyer -> the only mark that is valid, '' = none is; login id -> '' = that login has ended
    ended: str  #: sorted set: each field of ``marks``, by when it was written (ms), so that it can be forgotten
    passes: str  #: hash: buyer -> passes issued in this window; '' -> the number of the window


LOGIN_KEYS = LoginKeys(marks="{logins}:marks", ended="{logins}:ended", passes="{logins}:passes")
