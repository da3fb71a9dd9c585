"""Moments: the line counts milliseconds since 1970 (UTC), the API speaks ISO 8601, the ledger stores datetimes."""

from datetime import UTC, datetime
from functools import lru_cache


def to_epoch_ms(moment: datetime) -> int:
    """Milliseconds since 1970, UTC."""
    return int(moment.timestamp() * 1000)


def from_epoch_ms(value: int) -> datetime:
    """The moment that is so many milliseconds after 1970, UTC."""
    return datetime.fromtimestamp(value / 1000, UTC)


@lru_cache(maxsize=1024)  # the orders of a group have the same moments
def format_iso8601(value: int) -> str:
    """ISO 8601 in UTC, such as ``2026-11-21T12:15:00.000Z``, of milliseconds since 1970."""
    return from_epoch_ms(value).isoformat(timespec="milliseconds").replace("+00:00", "Z")
