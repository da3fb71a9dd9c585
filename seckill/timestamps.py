"""Timestamps: milliseconds since 1970 (UTC) in the line, ISO 8601 in the API, datetimes in the ledger."""

from datetime import UTC, datetime
from functools import lru_cache


def to_epoch_ms(moment: datetime) -> int:
    """Convert to milliseconds since 1970, UTC."""
    return int(moment.timestamp() * 1000)


def from_epoch_ms(value: int) -> datetime:
    """Convert milliseconds since 1970, UTC, to an aware datetime."""
    return datetime.fromtimestamp(value / 1000, UTC)


@lru_cache(maxsize=1024)  # the orders of a batch share their timestamps
def format_iso8601(value: int) -> str:
    """Format milliseconds since 1970 as ISO 8601 in UTC, such as ``2026-11-21T12:15:00.000Z``."""
    return from_epoch_ms(value).isoformat(timespec="milliseconds").replace("+00:00", "Z")
