"""Ticket: polls for the outcome of a place.

While the place waits in a line that was never rebuilt, a poll costs no I/O.
"""

from functools import lru_cache

import structlog
from msgspec import UNSET, UnsetType

from seckill.errors.problems import Problem
from seckill.gate.batcher import Batcher
from seckill.gate.deferred import DeferredResponses, error_response
from seckill.gate.documents import TicketConfirmed, TicketQueued, TicketReleased, TicketSoldOut, TicketWaitlisted
from seckill.gate.not_loaded_sales import NotLoadedSales
from seckill.gate.request import Caller
from seckill.gate.response import (
    NO_STORE,
    POLL_AFTER_SECONDS,
    RETRY_AFTER,
    Response,
    encode,
    json_head,
    problem_response,
)
from seckill.gate.snapshots import CachedSnapshot, Snapshots
from seckill.line import commands
from seckill.line.line import AsyncLine
from seckill.line.outcome import Confirmed, Outcome
from seckill.line.signing import BadTokenError
from seckill.line.tickets import Ticket
from seckill.timestamps import format_iso8601

log = structlog.get_logger(__name__)

LOOK_UP_BATCH_MAX = 500
FIRST_EPOCH = 1  # in a rebuilt line, places after the pointer may have orders too, so every ticket is looked up

DECIDED = json_head(200)
WAITING = json_head(200, NO_STORE, RETRY_AFTER)
NOT_A_TICKET = problem_response(Problem.NOT_FOUND)
TOO_MANY_WAIT = problem_response(Problem.UNAVAILABLE)

Poll = tuple[Ticket, CachedSnapshot, Caller]


class Tickets:
    """Serves polls of tickets."""

    def __init__(
        self, line: AsyncLine, snapshots: Snapshots, not_loaded: NotLoadedSales, late: DeferredResponses
    ) -> None:
        self._line = line
        self._snapshots = snapshots
        self._not_loaded = not_loaded
        self._late = late
        self._batchers: dict[int, Batcher[Poll]] = {}

    def handle(self, token: str, caller: Caller) -> None:
        """Respond 200 with the state of the place, or 404 for a token that is not a ticket of this shop."""
        try:
            ticket = Ticket.verify(token)
        except BadTokenError:
            caller.respond(NOT_A_TICKET)
            return
        cached = self._snapshots.fresh(ticket.sale_id)
        if cached is None:
            self._late.start(self._handle_deferred(ticket, caller), caller)
        else:
            self._respond_from_snapshot(ticket, cached, caller)

    async def _handle_deferred(self, ticket: Ticket, caller: Caller) -> None:
        cached = await self._snapshots.get(ticket.sale_id)
        if cached is None:
            caller.respond(await self._not_loaded.handle(ticket.sale_id))
        else:
            self._respond_from_snapshot(ticket, cached, caller)

    def _respond_from_snapshot(self, ticket: Ticket, cached: CachedSnapshot, caller: Caller) -> None:
        if ticket.epoch == cached.snapshot.epoch == FIRST_EPOCH and ticket.place > cached.snapshot.pointer:
            caller.respond(_waiting(cached, ticket.place))
            return
        # The place is not after the pointer, or the line was rebuilt: look the buyer up.
        group = self._batchers.get(ticket.sale_id) or self._new_batcher(ticket.sale_id)
        if not group.submit((ticket, cached, caller)):
            caller.respond(TOO_MANY_WAIT)

    def _new_batcher(self, sale_id: int) -> Batcher[Poll]:
        """Return a new batcher for a sale, and drop idle ones. Only sales for which a ticket was signed get one."""
        self._batchers = {number: group for number, group in self._batchers.items() if not group.is_idle}
        group = self._batchers[sale_id] = Batcher(
            lambda holders: self._look_up(sale_id, holders),
            lambda holders, error: self._fail(sale_id, holders, error),
            largest=LOOK_UP_BATCH_MAX,
        )
        return group

    async def _look_up(self, sale_id: int, holders: list[Poll]) -> None:
        found = await self._line.get_outcomes(sale_id, [ticket.buyer for ticket, _, _ in holders])
        for (ticket, cached, caller), outcome in zip(holders, found, strict=True):
            if outcome is None:
                self._late.start(self._rejoin(ticket, cached, caller), caller)
            elif isinstance(outcome, int):
                caller.respond(_waiting(cached, outcome, _renewed(ticket, cached, outcome)))
            else:
                caller.respond(_decided(outcome))

    async def _rejoin(self, ticket: Ticket, cached: CachedSnapshot, caller: Caller) -> None:
        """Put the holder of a valid ticket back into the line, which was lost and rebuilt without the holder."""
        try:
            _, place = await self._line.run(commands.rejoin(ticket.sale_id, ticket.buyer, ticket.place))
        except commands.SaleNotLoadedError:
            caller.respond(await self._not_loaded.handle(ticket.sale_id))
            return
        if place == 0:
            caller.respond(_sold_out(cached))
            return
        log.info("buyer_rejoined", sale=ticket.sale_id, place_before=ticket.place, place=place)
        caller.respond(_waiting(cached, place, _renewed(ticket, cached, place)))

    async def _fail(self, sale_id: int, holders: list[Poll], error: Exception) -> None:
        not_loaded = isinstance(error, commands.SaleNotLoadedError)
        response = await self._not_loaded.handle(sale_id) if not_loaded else error_response(error)
        for _, _, caller in holders:
            caller.respond(response)


def _renewed(ticket: Ticket, cached: CachedSnapshot, place: int) -> str | UnsetType:
    """Return a new ticket if the place or the epoch has changed."""
    epoch = cached.snapshot.epoch
    if place == ticket.place and epoch == ticket.epoch:
        return UNSET
    return Ticket(ticket.sale_id, place, ticket.buyer, epoch).sign()


def _waiting(cached: CachedSnapshot, place: int, renewed: str | UnsetType = UNSET) -> Response:
    snapshot = cached.snapshot
    if snapshot.ended_ms:
        return _sold_out(cached)
    if snapshot.stock <= 0 and place > snapshot.pointer:
        waitlisted = TicketWaitlisted(place, place - snapshot.pointer, POLL_AFTER_SECONDS, renewed)
        return Response(200, WAITING, encode(waitlisted))
    ahead = max(0, place - snapshot.pointer - 1)
    return Response(
        200, WAITING, encode(TicketQueued(place, ahead, cached.eta_seconds(ahead), POLL_AFTER_SECONDS, renewed))
    )


@lru_cache(maxsize=4096)  # see `decode`
def _decided(outcome: Outcome) -> Response:
    if isinstance(outcome, Confirmed):
        return Response(200, DECIDED, encode(TicketConfirmed(outcome.order, format_iso8601(outcome.pay_before_ms))))
    return Response(200, DECIDED, encode(TicketReleased(outcome.reason)))


def _sold_out(cached: CachedSnapshot) -> Response:
    if cached.sold_out is None:
        snapshot = cached.snapshot
        sold_out_ms = snapshot.sold_out_ms or snapshot.ended_ms or snapshot.now_ms
        cached.sold_out = Response(200, DECIDED, encode(TicketSoldOut(format_iso8601(sold_out_ms))))
    return cached.sold_out
