"""The gate's three answers: purchase, ticket, progress. The rules are in the line; this is HTTP."""

import math
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import redis
import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from orders.reconciliation import KEEP_ENDED_SECONDS
from seckill.gate.answer import NO_STORE, Answer, json_answer, problem_answer
from seckill.gate.doorbell import Doorbell
from seckill.gate.groups import Group
from seckill.gate.metrics import ADMITTED_GROUP
from seckill.gate.snapshots import SeenSale, Snapshots
from seckill.line import verbs
from seckill.line.line import open_async_line
from seckill.line.outcome import Confirmed, Outcome
from seckill.line.passes import Pass
from seckill.line.signing import BadTokenError
from seckill.line.snapshot import Snapshot
from seckill.line.tickets import Ticket
from seckill.line.verbs import Admission, Refusal
from seckill.models import Sale
from seckill.moment import iso
from seckill.problems import Problem

log = structlog.get_logger(__name__)

RETRY_AFTER = (b"retry-after", b"%d" % settings.POLL_AFTER_SECONDS)
LOOK_UP_GROUP_MAX = 500
FIRST_EPOCH = 1  # in a rebuilt line there may be orders behind the pointer too: there, every ticket is looked up
KNOWN_SALES_SECONDS = 1.0  # how often the database is asked which sales exist, at most


class Gate:
    """One process' gate. Make it inside the event loop that serves it."""

    def __init__(self) -> None:
        self._line = open_async_line()
        self._snapshots = Snapshots(self._line)
        self._doorbell = Doorbell()
        self._admissions: dict[int, Group[str, tuple[int | Refusal, Admission]]] = {}
        self._look_ups: dict[int, Group[str, tuple[Outcome | None, int | None]]] = {}
        self._known_sales: tuple[float, dict[int, datetime | None]] = (-math.inf, {})

    async def close(self) -> None:
        """Ring what has to be rung, then let go of Redis."""
        await self._doorbell.close()
        await self._line.client.aclose()

    # --- purchase -----------------------------------------------------------------------------------------------

    async def purchase(self, sale_id: int, authorization: bytes) -> Answer:
        """Join the line of a sale: 202 with a ticket, or why not."""
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        try:
            buyer_pass = Pass.verify(token.strip() if scheme.lower() == "bearer" else "")
        except BadTokenError:
            return self._bad_pass("Send it as 'Authorization: Bearer PASS'.")
        if buyer_pass.sale_id != sale_id:
            return self._bad_pass("It is a pass for another sale.")
        if buyer_pass.expires_ms <= time.time() * 1000:
            return self._bad_pass("It has expired.")
        group = self._admissions.get(sale_id)
        if group is None:
            group = self._admissions[sale_id] = Group(
                lambda buyers: self._admit(sale_id, buyers), largest=verbs.ADMIT_GROUP_MAX
            )
        try:
            place, admission = await group.join(buyer_pass.buyer)
        except verbs.SaleUnknownError:
            return await self._unknown(sale_id)
        except redis.RedisError as error:
            return self._unavailable(error)
        if isinstance(place, Refusal):
            return problem_answer(Problem[place.name], "", RETRY_AFTER)
        ticket = Ticket(sale_id, place, buyer_pass.buyer, admission.epoch).sign()
        return json_answer(
            202,
            {
                "ticket": ticket,
                "status": "queued",
                "place": place,
                "ahead": max(0, place - admission.pointer - 1),
                "poll_after_s": settings.POLL_AFTER_SECONDS,
            },
            NO_STORE,
            RETRY_AFTER,
            (b"location", b"/api/tickets/" + ticket.encode()),
        )

    async def _admit(self, sale_id: int, buyers: Sequence[str]) -> list[tuple[int | Refusal, Admission]]:
        ADMITTED_GROUP.observe(len(buyers))
        admission = await self._line.run(verbs.admit(sale_id, buyers))
        if admission.stock > 0 and admission.length > admission.pointer:
            self._doorbell.ring(sale_id, admission.length)
        return [(place, admission) for place in admission.places]

    # --- ticket -------------------------------------------------------------------------------------------------

    async def ticket(self, token: str) -> Answer:
        """What became of a place. While it waits, the answer costs no I/O."""
        try:
            ticket = Ticket.verify(token)
        except BadTokenError:
            return problem_answer(Problem.NOT_FOUND)
        try:
            seen = await self._snapshots.get(ticket.sale_id)
            if seen.snapshot is None:
                return await self._unknown(ticket.sale_id)
            if ticket.epoch == seen.snapshot.epoch == FIRST_EPOCH and ticket.place > seen.snapshot.pointer:
                return self._waiting(seen, seen.snapshot, ticket.place)
            return await self._decided(ticket, seen, seen.snapshot)
        except verbs.SaleUnknownError:
            return await self._unknown(ticket.sale_id)
        except redis.RedisError as error:
            return self._unavailable(error)

    async def _decided(self, ticket: Ticket, seen: SeenSale, snapshot: Snapshot) -> Answer:
        """The place is before the pointer, or the line was rebuilt once: look the buyer up."""
        group = self._look_ups.get(ticket.sale_id)
        if group is None:
            group = self._look_ups[ticket.sale_id] = Group(
                lambda buyers: self._line.look_up(ticket.sale_id, buyers), largest=LOOK_UP_GROUP_MAX
            )
        outcome, place = await group.join(ticket.buyer)
        if isinstance(outcome, Confirmed):
            return json_answer(
                200, {"status": "confirmed", "order": outcome.order, "pay_before": iso(outcome.pay_before_ms)}
            )
        if outcome is not None:
            return json_answer(200, {"status": "released", "reason": outcome.reason})
        if place is None:
            place = (await self._line.run(verbs.rejoin(ticket.sale_id, ticket.buyer, ticket.place)))[1]
            if place == 0:
                return self._sold_out(snapshot)
            log.info("rejoined", sale=ticket.sale_id, place_before=ticket.place, place=place)
        if place != ticket.place or snapshot.epoch != ticket.epoch:
            renewed = Ticket(ticket.sale_id, place, ticket.buyer, snapshot.epoch).sign()
            return self._waiting(seen, snapshot, place, {"ticket": renewed})
        return self._waiting(seen, snapshot, place)

    @staticmethod
    def _waiting(seen: SeenSale, snapshot: Snapshot, place: int, renewed: dict[str, object] | None = None) -> Answer:
        if snapshot.ended_ms:
            return Gate._sold_out(snapshot)
        document: dict[str, object] = {"place": place, "poll_after_s": settings.POLL_AFTER_SECONDS, **(renewed or {})}
        if snapshot.stock <= 0 and place > snapshot.pointer:
            document |= {"status": "waitlisted", "place_in_waitlist": place - snapshot.pointer}
        else:
            ahead = max(0, place - snapshot.pointer - 1)
            document |= {"status": "queued", "ahead": ahead, "eta_s": seen.eta_seconds(ahead)}
        return json_answer(200, document, NO_STORE, RETRY_AFTER)

    @staticmethod
    def _sold_out(snapshot: Snapshot) -> Answer:
        return json_answer(
            200,
            {"status": "sold_out", "sold_out_at": iso(snapshot.sold_out_ms or snapshot.ended_ms or snapshot.now_ms)},
        )

    # --- progress -----------------------------------------------------------------------------------------------

    async def progress(self, sale_id: int) -> Answer:
        """Where the line stands; the same for everybody, so any cache may hold it for a second."""
        try:
            seen = await self._snapshots.get(sale_id)
        except redis.RedisError as error:
            return self._unavailable(error)
        snapshot = seen.snapshot
        if snapshot is None:
            return await self._unknown(sale_id)
        now_ms = seen.now_ms(snapshot)
        return json_answer(
            200,
            {
                "state": snapshot.state(now_ms),
                "admitted": snapshot.length,
                "pointer": snapshot.pointer,
                "waiting": snapshot.waiting,
                "remaining": snapshot.remaining,
                "stock": snapshot.stock_total,
                "reserved": snapshot.claimed,
                "opens_at": iso(snapshot.opens_ms),
                "closes_at": iso(snapshot.closes_ms),
                "server_time": iso(now_ms),
            },
            (b"cache-control", b"public, max-age=1"),
        )

    # --- what went wrong ----------------------------------------------------------------------------------------

    @staticmethod
    def _bad_pass(detail: str) -> Answer:
        return problem_answer(Problem.BAD_PASS, detail, (b"www-authenticate", b"Bearer"))

    @staticmethod
    def _unavailable(error: redis.RedisError | DatabaseError) -> Answer:
        log.warning("server_unavailable", error=str(error))
        return problem_answer(Problem.UNAVAILABLE, "", RETRY_AFTER)

    async def _unknown(self, sale_id: int) -> Answer:
        """Redis does not know the sale. If the ledger does, it is being rebuilt; neither sold out nor free."""
        read_at, sales = self._known_sales
        if time.monotonic() - read_at > KNOWN_SALES_SECONDS:
            try:
                sales = await sync_to_async(_sales)()
            except DatabaseError as error:
                return self._unavailable(error)
            self._known_sales = (time.monotonic(), sales)
        if sale_id not in sales:
            return problem_answer(Problem.NOT_FOUND)
        ended_at = sales[sale_id]
        if ended_at is not None and ended_at <= timezone.now() - timedelta(seconds=KEEP_ENDED_SECONDS):
            return problem_answer(Problem.CLOSED)  # nobody will bring its line back
        return problem_answer(Problem.RECOVERING, "", RETRY_AFTER)


def _sales() -> dict[int, datetime | None]:
    """The sales there are, by the ledger, and when they ended. On a thread whose connection nobody else would close."""
    try:
        return dict(Sale.objects.values_list("pk", "ended_at"))
    finally:
        connection.close()
