"""Doorbell: notifies workers that buyers are waiting, without blocking on the broker."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import structlog
from kombu.exceptions import OperationalError

from celery_task.order_task import ring
from seckill import conf
from seckill.gate.metrics import DOORBELLS

log = structlog.get_logger(__name__)

MIN_INTERVAL_SECONDS = conf.DOORBELL_INTERVAL_SECONDS


class Doorbell:
    """Rings for the purchases of a process: one message at a time for each sale, up to its newest place.

    A buyer's 202 does not depend on the doorbell: the place is durable before. If the broker is away, the sweeper rings
    a second later, or as soon as the broker is back.
    """

    def __init__(self) -> None:
        self._upto: dict[int, int] = {}
        self._ringing: dict[int, asyncio.Task[None]] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="doorbell")  # publishing blocks

    def ring(self, sale_id: int, upto: int) -> None:
        """Have workers settle the sale up to a place. Returns at once."""
        self._upto[sale_id] = max(upto, self._upto.get(sale_id, 0))
        if sale_id not in self._ringing:
            self._ringing[sale_id] = asyncio.create_task(self._ring(sale_id))

    async def _ring(self, sale_id: int) -> None:
        try:
            while sale_id in self._upto:
                upto = self._upto.pop(sale_id)
                try:
                    await asyncio.get_running_loop().run_in_executor(self._thread, ring, sale_id, upto)
                except (OperationalError, OSError) as error:
                    DOORBELLS.labels("not_rung").inc()
                    log.warning("doorbell_not_rung", sale=sale_id, upto=upto, error=str(error))
                    return  # the sweeper rings
                DOORBELLS.labels("rung").inc()
                await asyncio.sleep(MIN_INTERVAL_SECONDS)
        finally:
            del self._ringing[sale_id]

    async def close(self) -> None:
        """Ring the pending doorbells, then stop."""
        await asyncio.gather(*self._ringing.values(), return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)
