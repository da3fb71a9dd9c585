"""Purchase: the buyer of a valid pass joins the line of the sale."""

import time

from seckill.errors.problems import Problem
from seckill.gate.batcher import Batcher
from seckill.gate.deferred import error_response
from seckill.gate.documents import Queued
from seckill.gate.doorbell import Doorbell
from seckill.gate.metrics import ADMIT_BATCH_SIZE
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
from seckill.line import commands
from seckill.line.commands import Admission, RejectReason
from seckill.line.line import AsyncLine
from seckill.line.passes import Pass
from seckill.line.signing import BadTokenError
from seckill.line.tickets import Ticket

ACCEPTED = json_head(202, NO_STORE, RETRY_AFTER)
REFUSED = {refusal: problem_response(Problem[refusal.name], "", RETRY_AFTER) for refusal in RejectReason}
BEARER = (b"www-authenticate", b"Bearer")
NO_PASS = problem_response(Problem.BAD_PASS, "Send the pass as 'Authorization: Bearer PASS'.", BEARER)
PASS_OF_ANOTHER_SALE = problem_response(Problem.BAD_PASS, "The pass is for another sale.", BEARER)
PASS_EXPIRED = problem_response(Problem.BAD_PASS, "The pass has expired.", BEARER)
TOO_MANY_WAIT = problem_response(Problem.UNAVAILABLE)

CONCURRENT_BATCHES = 2  # while Redis syncs one batch to disk, the next is on its way

Buyer = tuple[str, Caller]


class Purchases:
    """Admits the buyers of each sale in batches, in the order of their requests."""

    def __init__(self, line: AsyncLine, not_loaded: NotLoadedSales) -> None:
        self._line = line
        self._not_loaded = not_loaded
        self._doorbell = Doorbell()
        self._batchers: dict[int, Batcher[Buyer]] = {}

    async def close(self) -> None:
        """Ring the pending doorbells."""
        await self._doorbell.close()

    def handle(self, sale_id: int, authorization: bytes, caller: Caller) -> None:
        """Add the buyer to the line. Respond 202 with a ticket once the place is on disk, or with a problem."""
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        try:
            buyer_pass = Pass.verify(token.strip() if scheme.lower() == "bearer" else "")
        except BadTokenError:
            caller.respond(NO_PASS)
            return
        if buyer_pass.sale_id != sale_id:
            caller.respond(PASS_OF_ANOTHER_SALE)
            return
        if buyer_pass.expires_ms <= time.time() * 1000:
            caller.respond(PASS_EXPIRED)
            return
        group = self._batchers.get(sale_id) or self._new_batcher(sale_id)
        if not group.submit((buyer_pass.buyer, caller)):
            caller.respond(TOO_MANY_WAIT)

    def _new_batcher(self, sale_id: int) -> Batcher[Buyer]:
        """Return a new batcher for a sale, and drop idle ones. Only sales for which a pass was signed get one."""
        self._batchers = {number: group for number, group in self._batchers.items() if not group.is_idle}
        group = self._batchers[sale_id] = Batcher(
            lambda buyers: self._admit(sale_id, buyers),
            lambda buyers, error: self._fail(sale_id, buyers, error),
            largest=commands.ADMIT_BATCH_MAX,
            at_once=CONCURRENT_BATCHES,
        )
        return group

    async def _admit(self, sale_id: int, buyers: list[Buyer]) -> None:
        ADMIT_BATCH_SIZE.observe(len(buyers))
        admission = await self._line.run_in_order(commands.admit(sale_id, [buyer for buyer, _ in buyers]))
        for (buyer, caller), place in zip(buyers, admission.places, strict=True):
            caller.respond(
                REFUSED[place] if isinstance(place, RejectReason) else _accepted(sale_id, buyer, place, admission)
            )
        if admission.stock > 0 and admission.places_issued > admission.pointer:
            self._doorbell.ring(sale_id, admission.places_issued)

    async def _fail(self, sale_id: int, buyers: list[Buyer], error: Exception) -> None:
        not_loaded = isinstance(error, commands.SaleNotLoadedError)
        response = await self._not_loaded.handle(sale_id) if not_loaded else error_response(error)
        for _, caller in buyers:
            caller.respond(response)


def _accepted(sale_id: int, buyer: str, place: int, admission: Admission) -> Response:
    ticket = Ticket(sale_id, place, buyer, admission.epoch).sign()
    document = Queued(ticket, place, max(0, place - admission.pointer - 1), POLL_AFTER_SECONDS)
    return Response(202, b"%slocation: /api/tickets/%s\r\n" % (ACCEPTED, ticket.encode()), encode(document))
