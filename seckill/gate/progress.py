"""Progress: the state of a sale's line. It is the same for every client, so any cache may store it for a second."""

from seckill.gate.deferred import DeferredResponses
from seckill.gate.documents import Progress
from seckill.gate.request import Caller
from seckill.gate.response import Response, encode, json_head
from seckill.gate.snapshots import CachedSnapshot, Snapshots
from seckill.gate.unknown_sales import UnknownSales
from seckill.timestamps import format_iso8601

PUBLIC = json_head(200, (b"cache-control", b"public, max-age=1"))


class ProgressCalls:
    """Serves the progress of sales. Each cached snapshot is encoded once."""

    def __init__(self, snapshots: Snapshots, unknown: UnknownSales, late: DeferredResponses) -> None:
        self._snapshots = snapshots
        self._unknown = unknown
        self._late = late

    def handle(self, sale_id: int, caller: Caller) -> None:
        """Respond 200, or with the problem of a sale that is not loaded (`UnknownSales`)."""
        seen = self._snapshots.fresh(sale_id)
        if seen is None:
            self._late.start(self._handle_deferred(sale_id, caller), caller)
        else:
            caller.respond(_progress(seen))

    async def _handle_deferred(self, sale_id: int, caller: Caller) -> None:
        seen = await self._snapshots.get(sale_id)
        caller.respond(await self._unknown.handle(sale_id) if seen is None else _progress(seen))


def _progress(seen: CachedSnapshot) -> Response:
    if seen.progress is None:
        snapshot = seen.snapshot
        document = Progress(
            state=snapshot.state(),
            admitted=snapshot.places_issued,
            pointer=snapshot.pointer,
            waiting=snapshot.waiting,
            remaining=snapshot.remaining,
            stock=snapshot.stock_total,
            reserved=snapshot.reserved_units,
            opens_at=format_iso8601(snapshot.opens_ms),
            closes_at=format_iso8601(snapshot.closes_ms),
            server_time=format_iso8601(snapshot.now_ms),
        )
        seen.progress = Response(200, PUBLIC, encode(document))
    return seen.progress
