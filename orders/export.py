"""Export: orders as CSV, written in chunks.

A chunk is written to the storage "exports" first and then added to the export's row. Only the row determines which
files count and where the next chunk begins. If a worker dies, its chunk is written again under another name, and the
orphaned file is deleted with the export. The row advances by a conditional UPDATE: if two workers write the same chunk,
one wins, and neither touches the other's file.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from io import StringIO

from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_noop

from orders.models import Export, Order
from seckill import conf

CHUNK_ROWS = conf.EXPORT_CHUNK_ROWS
UNFINISHED_MAX = conf.EXPORTS_UNFINISHED_MAX
LEASE_SECONDS = 60  # longer than one chunk may take, with all retries
STALLED_MAX = 100  # exports sent again at once
ABANDONED_AFTER = timedelta(days=1)
RETENTION = timedelta(days=7)

ABANDONED = gettext_noop("The export did not finish within a day.")
COLUMNS = {
    "number": "number",
    "sale": "sale_id",
    "product": "sale__product__name",
    "buyer": "buyer",
    "place": "place",
    "price": "price",
    "currency": "currency",
    "status": "status",
    "created_at": "created_at",
    "pay_before": "pay_before",
    "status_changed_at": "status_changed_at",
    "released_at": "released_at",
}
TIMESTAMP_FORMAT = "%Y-%m-%dT%H:%M:%S%z"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # OWASP, "CSV injection"


class TooManyExportsError(Exception):
    """The user already has `UNFINISHED_MAX` unfinished exports."""


class TooManyOrdersError(Exception):
    """The orders do not fit into one chunk."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive rows of an export."""

    content: bytes  #: CSV (RFC 4180) in UTF-8; the first chunk includes the header
    rows: int
    last_id: int  #: id of the last order in the chunk
    is_last: bool


# --- Which orders


def created_between(orders: QuerySet[Order], first: date | None, last: date | None) -> QuerySet[Order]:
    """Filter orders by creation day in the site's time zone, both days inclusive. None leaves that end open."""
    if first and first > date.min:
        orders = orders.filter(created_at__gte=_midnight(first))
    if last and last < date.max:
        orders = orders.filter(created_at__lt=_midnight(last + timedelta(days=1)))
    return orders


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def orders_in(export: Export) -> QuerySet[Order]:
    """Return the orders of an export, oldest first, without orders created after the request."""
    orders = Order.objects.filter(pk__lte=export.max_order_id).order_by("pk")
    if export.sale_id:
        orders = orders.filter(sale=export.sale_id)
    if export.statuses:
        orders = orders.filter(status__in=export.statuses)
    return created_between(orders, export.first_day, export.last_day)


def _newest_id() -> int:
    return Order.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


# --- Request


def request_export(export: Export) -> None:
    """Save a new export for workers to write.

    Raises:
        TooManyExportsError: the user already has `UNFINISHED_MAX` unfinished exports.
    """
    with transaction.atomic():
        # Serializes concurrent requests of one user, so that the count below is exact.
        get_user_model().objects.select_for_update().get(pk=export.requested_by_id)
        if Export.objects.filter(requested_by=export.requested_by_id, result="").count() >= UNFINISHED_MAX:
            raise TooManyExportsError
        export.requested_at = timezone.now()
        export.max_order_id = _newest_id()
        export.save(force_insert=True)
        Export.objects.filter(pk=export.pk).renew_leases()


def export_now(export: Export) -> bytes:
    """Return the whole CSV of an unsaved export.

    Raises:
        TooManyOrdersError: the orders do not fit into one chunk.
    """
    export.max_order_id = _newest_id()
    chunk = read_chunk(export)
    if not chunk.is_last:
        raise TooManyOrdersError
    return chunk.content


# --- Write


def read_chunk(export: Export) -> Chunk:
    """Return the next chunk: at most `CHUNK_ROWS` orders after the last one written."""
    orders = orders_in(export).filter(pk__gt=export.last_id)
    found = list(orders.values_list("pk", *COLUMNS.values())[: CHUNK_ROWS + 1])
    buffer = StringIO()
    writer = csv.writer(buffer)
    if not export.files:
        writer.writerow(COLUMNS)
    rows = found[:CHUNK_ROWS]
    writer.writerows([_cell(value) for value in row] for _, *row in rows)
    last_id = rows[-1][0] if rows else export.last_id
    return Chunk(buffer.getvalue().encode(), len(rows), last_id, is_last=len(found) <= CHUNK_ROWS)


def _cell(value: object) -> str:
    """Format a value independent of the active language, and escape text that a spreadsheet would run as a formula."""
    if value is None:
        return ""
    text = timezone.localtime(value).strftime(TIMESTAMP_FORMAT) if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def write_next_chunk(export: Export) -> bool:
    """Write one chunk and advance the export. Return False if another worker did so first or the export has ended."""
    total = orders_in(export).count() if export.total is None else export.total
    chunk = read_chunk(export)
    name = _storage().save(f"{export.pk}/{export.chunks + 1:04}.csv", ContentFile(chunk.content))
    now = timezone.now()
    moved = {
        "total": total,
        "rows": export.rows + chunk.rows,
        "files": [*export.files, name],
        "last_id": chunk.last_id,
    }
    if chunk.is_last:
        moved |= {"result": Export.Result.DONE, "ended_at": now}
    if not Export.objects.filter(pk=export.pk, result="", last_id=export.last_id).update(**moved, locked_at=Now()):
        _storage().delete(name)
        return False
    for field, value in moved.items():
        setattr(export, field, value)
    return True


def mark_cancelled(export: Export) -> bool:
    """Cancel the export. Return False if it has already ended."""
    return _end(export, Export.Result.CANCELLED)


def mark_failed(export: Export, error: str) -> bool:
    """Fail the export with ``error``. Return False if it has already ended."""
    return _end(export, Export.Result.FAILED, error)


def _end(export: Export, result: Export.Result, error: str = "") -> bool:
    unfinished = Export.objects.filter(pk=export.pk, result="")
    ended = unfinished.update(result=result, error=error, ended_at=timezone.now()) == 1
    export.refresh_from_db()
    return ended


def lease_stalled_exports() -> list[Export]:
    """Lease exports without progress for `LEASE_SECONDS`, oldest first, at most `STALLED_MAX`.

    Exports not finished within `ABANDONED_AFTER` are marked as failed first.
    """
    now = timezone.now()
    unfinished = Export.objects.filter(result="")
    unfinished.filter(requested_at__lt=now - ABANDONED_AFTER).update(
        result=Export.Result.FAILED, error=ABANDONED, ended_at=now
    )
    return unfinished.order_by("requested_at").lease_pending(LEASE_SECONDS, limit=STALLED_MAX)


# --- Files


def _storage() -> Storage:
    return storages["exports"]


def files_exist(export: Export) -> bool:
    """Whether every chunk exists in this host's storage."""
    return all(_storage().exists(name) for name in export.files)


def iter_chunks(export: Export) -> Iterator[bytes]:
    """Yield the content of all chunks in order, in blocks of at most 64 KiB."""
    for name in export.files:
        with _storage().open(name) as file:
            yield from file.chunks()


def delete_old_exports() -> None:
    """Delete exports older than `RETENTION`, then every file whose export no longer exists."""
    Export.objects.filter(requested_at__lt=timezone.now() - RETENTION).delete()
    try:
        directories, _ = _storage().listdir("")
    except FileNotFoundError:  # no export has been written yet
        return
    for directory in set(directories) - {str(pk) for pk in Export.objects.values_list("pk", flat=True)}:
        for name in _storage().listdir(directory)[1]:
            _storage().delete(f"{directory}/{name}")
        _storage().delete(directory)
