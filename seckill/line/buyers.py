"""Buyers: their ids in passes, tickets, line and ledger, and the two namespaces of these ids.

An id starts with the namespace of its issuer: `ACCOUNT` for accounts of this shop, `EXTERNAL` for buyers of another
system, whose passes ``manage.py issue_passes`` issues. No id of one namespace can be one of the other.
"""

import re
import secrets

BUYER_CHARS_MAX = 64
BUYER_RE = re.compile(rf"[A-Za-z0-9_.:@-]{{1,{BUYER_CHARS_MAX}}}")

ACCOUNT = "u:"
EXTERNAL = "x:"
# 96 bits. Among ten million accounts, two have the same id with a probability of 1 in 10^15; the database refuses it.
RANDOM_BYTES = 12


def new_account_id() -> str:
    """Return a new buyer id for an account: `ACCOUNT` and 16 random characters of ``A-Za-z0-9_-``.

    It depends on no counter, so no account gets the id of another one after a database was restored from a backup.
    """
    return ACCOUNT + secrets.token_urlsafe(RANDOM_BYTES)


def external_id(name: str) -> str:
    """Return the buyer id for a buyer of another system, by that system's name for the buyer.

    Raises:
        ValueError: ``name`` is empty, has characters that an id can't have, or makes the id longer than 64 characters.
    """
    buyer = EXTERNAL + name
    if not name or not BUYER_RE.fullmatch(buyer):
        raise ValueError(f"not a buyer's name: {name!r}")
    return buyer
