"""Exports, written by hand."""

from orders.export import (
    request_export,
    write_next_chunk,
)
from orders.models import Export
from tests.orders.bulk import new_export


def asked(**wanted: object) -> Export:
    """A requested export."""
    export = new_export(**wanted)
    request_export(export)
    return export


def write(export: Export) -> None:
    """Write all missing chunks."""
    while not export.result:
        assert write_next_chunk(export)


def written(**wanted: object) -> Export:
    """Return a finished export."""
    export = asked(**wanted)
    write(export)
    return export
