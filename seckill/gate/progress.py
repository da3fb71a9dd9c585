"""Progress: where the line of a sale stands; the same for everybody, so any cache may hold it for a second."""

from seckill.gate.answer import Answer, encode, json_head
from seckill.gate.documents import Progress
from seckill.gate.late import LateAnswers
from seckill.gate.request import Asker
from seckill.gate.snapshots import SeenSale, Snapshots
from seckill.gate.unknown_sales import UnknownSales
from seckill.timestamps import iso

PUBLIC = json_head(200, (b"cache-control", b"public, max-age=1"))


class ProgressAnswers:
    """Answers for the progress of sales, each made once from one snapshot."""

    def __init__(self, snapshots: Snapshots, unknown: UnknownSales, late: LateAnswers) -> None:
        self._snapshots = snapshots
        self._unknown = unknown
        self._late = late

    def answer(self, sale_id: int, asker: Asker) -> None:
        """200, or 404 for a sale that does not exist."""
        seen = self._snapshots.fresh(sale_id)
        if seen is None:
            self._late.start(self._answer_late(sale_id, asker), asker)
        else:
            asker.finish(_progress(seen))

    async def _answer_late(self, sale_id: int, asker: Asker) -> None:
        seen = await self._snapshots.get(sale_id)
        asker.finish(await self._unknown.answer(sale_id) if seen is None else _progress(seen))


def _progress(seen: SeenSale) -> Answer:
    if seen.progress is None:
        snapshot = seen.snapshot
        document = Progress(
            state=snapshot.state(),
            admitted=snapshot.length,
            pointer=snapshot.pointer,
            waiting=snapshot.waiting,
            remaining=snapshot.remaining,
            stock=snapshot.stock_total,
            reserved=snapshot.claimed,
            opens_at=iso(snapshot.opens_ms),
            closes_at=iso(snapshot.closes_ms),
            server_time=iso(snapshot.now_ms),
        )
        seen.progress = Answer(200, PUBLIC, encode(document))
    return seen.progress
