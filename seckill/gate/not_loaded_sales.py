"""Not loaded sales: the responses about sales that are not loaded in Redis."""

import asyncio
import math
import time
from datetime import datetime, timedelta

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection
from django.utils import timezone

from orders.reconciliation import ENDED_SALE_TTL_SECONDS
from seckill.catalog.models import Sale
from seckill.errors.problems import Problem
from seckill.gate.deferred import error_response
from seckill.gate.response import Response, problem_response

SALES_TTL_SECONDS = 1.0  # between two queries for the sales that exist, also while the database is away


class NotLoadedSales:
    """Reads the sales that exist from the ledger. Concurrent requests share one query."""

    def __init__(self) -> None:
        self._read_at = -math.inf
        self._sales: dict[int, datetime | None] = {}  #: when they ended, by id
        self._fault: DatabaseError | None = None
        self._reading: asyncio.Task[None] | None = None

    async def handle(self, sale_id: int) -> Response:
        """Return 404 if the ledger has no such sale, 403 if its line has expired, else 503 (being rebuilt)."""
        if time.monotonic() - self._read_at > SALES_TTL_SECONDS:
            if self._reading is None:
                self._reading = asyncio.create_task(self._read())
            await asyncio.shield(self._reading)
        if self._fault is not None:
            return error_response(self._fault)
        if sale_id not in self._sales:
            return problem_response(Problem.NOT_FOUND)
        ended_at = self._sales[sale_id]
        if ended_at is not None and ended_at <= timezone.now() - timedelta(seconds=ENDED_SALE_TTL_SECONDS):
            return problem_response(Problem.CLOSED)  # its line expired in Redis and is not rebuilt
        return problem_response(Problem.RECOVERING)

    async def _read(self) -> None:
        try:
            self._sales, self._fault = await sync_to_async(_sales)(), None
        except DatabaseError as error:
            self._fault = error
        finally:
            self._read_at = time.monotonic()
            self._reading = None


def _sales() -> dict[int, datetime | None]:
    """Return when each sale ended, by id. Close the connection: on this thread, Django would not."""
    try:
        return dict(Sale.objects.values_list("pk", "ended_at"))
    finally:
        connection.close()
