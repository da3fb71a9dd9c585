"""Unknown sales: what to answer about a sale that Redis does not know."""

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

KNOWN_SALES_SECONDS = 1.0  # how often the database is asked which sales exist, at most, also while it fails


class UnknownSales:
    """Asks the ledger which sales there are, once for everybody who wants to know."""

    def __init__(self) -> None:
        self._read_at = -math.inf
        self._sales: dict[int, datetime | None] = {}  #: when they ended, by id
        self._fault: DatabaseError | None = None
        self._reading: asyncio.Task[None] | None = None

    async def handle(self, sale_id: int) -> Response:
        """404 if the ledger does not have the sale, 403 if it ended long ago, else 503: its line is being rebuilt."""
        if time.monotonic() - self._read_at > KNOWN_SALES_SECONDS:
            if self._reading is None:
                self._reading = asyncio.create_task(self._read())
            await asyncio.shield(self._reading)
        if self._fault is not None:
            return error_response(self._fault)
        if sale_id not in self._sales:
            return problem_response(Problem.NOT_FOUND)
        ended_at = self._sales[sale_id]
        if ended_at is not None and ended_at <= timezone.now() - timedelta(seconds=ENDED_SALE_TTL_SECONDS):
            return problem_response(Problem.CLOSED)  # its line was dropped and is not built again
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
    """When each sale of the ledger ended. Runs on a thread whose connection nothing else would close."""
    try:
        return dict(Sale.objects.values_list("pk", "ended_at"))
    finally:
        connection.close()
