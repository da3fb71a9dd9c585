"""Progress: the state of a sale's line. It is the same for every client, so any cache may store it for a second."""

from seckill.gate.deferred import DeferredResponses
from seckill.gate.documents import Progress
from seckill.gate.not_loaded_sales import NotLoadedSales
from seckill.gate.request import Caller
from seckill.gate.response import Response, encode, json_head
from seckill.gate.snapshots import CachedSnapshot, Snapshots
from seckill.timestamps import format_iso8601

PUBLIC = json_head(200, (b"cache-control", b"public, max-age=1"))


class ProgressCalls:
    """Serves the progress of sales. Each cached snapshot is encoded once."""

    def __init__(self, snapshots: Snapshots, not_loaded: NotLoadedSales, late: DeferredResponses) -> None:
        self._snapshots = snapshots
        self._not_loaded = not_loaded
        self._late = late

    def handle(self, sale_id: int, caller: Caller) -> None:
        """Respond 200, or with the problem of a sale that is not loaded (`NotLoadedSales`)."""
        cached = self._snapshots.fresh(sale_id)
        if cached is None:
            self._late.start(self._handle_deferred(sale_id, caller), caller)
        else:
            caller.respond(_progress(cached))

    async def _handle_deferred(self, sale_id: int, caller: Caller) -> None:
        cached = await self._snapshots.get(sale_id)
        caller.respond(await self._not_loaded.handle(sale_id) if cached is None else _progress(cached))


def _progress(cached: CachedSnapshot) -> Response:
    if cached.progress is None:
        snapshot = cached.snapshot
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
        cached.progress = Response(200, PUBLIC, encode(document))
    return cached.progress
