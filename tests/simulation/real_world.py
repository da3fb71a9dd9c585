"""RealWorld: the product's own scripts, gate, settlement and beat on a real server and the test run's database.

Only the time is simulated. The scripts read it from a key instead of the server, so that leases, windows and outcomes
are the same to the millisecond in every run; Django uses the same time.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import astuple
from decimal import Decimal
from itertools import count
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
import redis
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from celery_task import order_task
from orders import ledger, payment, reconciliation, settlement
from orders.models import Event, Order
from seckill.catalog.models import Product, Sale
from seckill.gate import gate, snapshots
from seckill.gate import not_loaded_sales as unknown_sales
from seckill.gate.doorbell import Doorbell
from seckill.line import command, commands
from seckill.line.command import Command
from seckill.line.commands import Reservation, SaleConfig
from seckill.line.line import AsyncLine, Line, get_line, open_async_line
from seckill.line.outcome import Confirmed, Outcome, decode
from seckill.line.snapshot import Snapshot
from seckill.line.tickets import Ticket
from seckill.timestamps import from_epoch_ms, to_epoch_ms
from tests.gate.caller import ask
from tests.gate.gate_server import good_pass
from tests.line.sale_in_line import SaleInLine
from tests.simulation.clock import Clock
from tests.simulation.model_ledger import Books, Entry
from tests.simulation.model_line import (
    ANY_SERVER,
    EARLIER_SERVER,
    SALE_ID,
    THIS_SERVER,
    Claimed,
    Kept,
    Meta,
)
from tests.simulation.model_world import REMEMBERED
from tests.simulation.network import Fate, Fault, Network
from tests.simulation.world import LEASE_MS, PAY_WITHIN_MS, REJOIN_MS, SETTLE_CHUNK, Answer, Decided, Joined, World

T = TypeVar("T")

THE_TIME = "redis.call('TIME')"
CLOCK_KEY = "clock"
THE_CLOCK = f"redis.call('LRANGE', '{CLOCK_KEY}', 0, 1)"
EARLIER_RUN_ID = "0" * 40
ALWAYS_FRESH = 1e9  # seconds: reuse the snapshot that the gate read last
NEVER_FRESH = -1.0
ESTIMATES = ("eta_s", "poll_after_s")  # members of a poll's response that do not follow from the state of the line


class FlakyLine(Line):
    """A line over a network that fails."""

    def __init__(self, client: redis.Redis, network: Network, *, durable: bool) -> None:
        super().__init__(client)
        self._network = network
        self._durable = durable

    def run(self, command: Command[T]) -> T:
        return self._network.call(lambda: super(FlakyLine, self).run(command))

    def run_all(self, commands: Sequence[Command[T]]) -> list[T | redis.ResponseError]:
        return [self.run(command) for command in commands]

    def invalidate(self, sale_id: int) -> bool:
        return self._network.call(lambda: super(FlakyLine, self).invalidate(sale_id))

    def server_run_id_if_volatile(self) -> str:
        return ANY_SERVER if self._durable else super().server_run_id_if_volatile()


class FlakyAsyncLine(AsyncLine):
    """The gate's line over a network that fails."""

    def __init__(self, client: redis.asyncio.Redis, network: Network) -> None:
        super().__init__(client)
        self._network = network

    async def run(self, command: Command[T]) -> T:
        return await self._flaky(super().run, command)

    async def run_in_order(self, command: Command[T]) -> T:
        return await self._flaky(super().run_in_order, command)

    async def _flaky(self, run: Callable[[Command[T]], Awaitable[T]], command: Command[T]) -> T:
        fate = self._network.fate()
        if fate is Fate.NEVER_ARRIVES:
            raise redis.ConnectionError
        if self._network.twice:
            await run(command)
        reply = await run(command)
        if fate is Fate.REPLY_LOST:
            raise redis.ConnectionError
        return reply


class QuietBell(Doorbell):
    """Records the doorbells instead of sending them."""

    upto = 0

    def ring(self, sale_id: int, upto: int) -> None:
        assert sale_id == SALE_ID
        self.upto = upto


class RealWorld(World):
    """One sale on real servers. Only one can exist at a time."""

    def __init__(self, config: SaleConfig, *, durable: bool, network: Network) -> None:
        self.clock = Clock()
        self.network = network
        self._rung: list[int] = []
        self._patches = pytest.MonkeyPatch()
        self._patch()
        self._server = redis.Redis.from_url(settings.REDIS_URL)  # returns bytes: for dumps
        self._server.flushdb()
        self._set_clock()
        self._line = FlakyLine(get_line().client, network, durable=durable)
        self._in_line = SaleInLine(self._line, SALE_ID)
        self._run_id = str(self._line.client.info("server")["run_id"])
        self._moments: deque[dict[str, bytes]] = deque(maxlen=REMEMBERED)
        self._make_sale(config)
        self._loop = asyncio.new_event_loop()
        self._gate = self._wait(self._open_gate())

    def _patch(self) -> None:
        read, names = command._read, count(1)
        self._patches.setattr(command, "_read", lambda script: read(script).replace(THE_TIME, THE_CLOCK))
        self._patches.setattr(timezone, "now", lambda: from_epoch_ms(self.clock.now_ms))
        self._patches.setattr(settings, "SETTLE_CHUNK", SETTLE_CHUNK)
        self._patches.setattr(settings, "SETTLE_CHUNK_MAX", SETTLE_CHUNK)
        self._patches.setattr(settings, "RESERVATION_LEASE_SECONDS", LEASE_MS / 1000)
        self._patches.setattr(settings, "REJOIN_SECONDS", REJOIN_MS / 1000)
        self._patches.setattr(unknown_sales, "SALES_TTL_SECONDS", NEVER_FRESH)
        self._patches.setattr(settlement, "uuid4", lambda: SimpleNamespace(hex=f"settling {next(names)}"))
        self._patches.setattr(order_task, "get_line", lambda: self._line)
        self._patches.setattr(order_task, "ring", lambda _, upto: self._rung.append(upto))
        logging.disable(logging.ERROR)  # faults here are intended

    @staticmethod
    def _make_sale(config: SaleConfig) -> None:
        Order.objects.all().delete()
        Event.objects.all().delete()
        Sale.objects.all().delete()
        product, _ = Product.objects.get_or_create(name="Copper kettle")
        Sale.objects.create(
            pk=SALE_ID,
            product=product,
            price=Decimal("19.90"),
            pay_within_seconds=PAY_WITHIN_MS // 1000,
            **_row(config),
        )

    async def _open_gate(self) -> gate.Gate:
        flaky = FlakyAsyncLine(open_async_line().client, self.network)
        self._patches.setattr(gate, "open_async_line", lambda: flaky)
        return gate.Gate()

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(coroutine)

    # --- buyers, at the gate --------------------------------------------------------------------------------------

    def join(self, buyers: Sequence[str], fault: Fault | None) -> Joined:
        bell = self._gate._purchases._doorbell = QuietBell()
        path = f"/api/sales/{SALE_ID}/purchase"
        passes = [f"Bearer {good_pass(SALE_ID, buyer)}" for buyer in buyers]
        with self.network.breaking(fault):
            documents = self._wait(self._answers([("POST", path, signed) for signed in passes]))
        return Joined(
            [Ticket.verify(read["ticket"]) if "ticket" in read else read["code"] for read in documents], bell.upto
        )

    def poll(self, ticket: Ticket, *, fresh: bool, fault: Fault | None) -> Answer:
        self._patches.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", NEVER_FRESH if fresh else ALWAYS_FRESH)
        with self.network.breaking(fault):
            [read] = self._wait(self._answers([("GET", f"/api/tickets/{ticket.sign()}", "")]))
        if "code" in read:
            return {"problem": read["code"]}
        answer = {name: value for name, value in read.items() if name not in ESTIMATES}
        if "ticket" in answer:
            answer["ticket"] = Ticket.verify(answer["ticket"])
        if "order" in answer:
            answer["order"] = f"#{Order.objects.get(number=answer['order']).place}"
        return answer

    async def _answers(self, asked: Sequence[tuple[str, str, str]]) -> list[Any]:
        """Return the responses to (method, path, authorization) of each, sent concurrently."""
        answers = [ask(self._gate, *what) for what in asked]
        return [json.loads((await answer).body) for answer in answers]

    # --- a worker, step by step or in one go ----------------------------------------------------------------------

    def reserve(self, reservation_id: str, upto: int, fault: Fault | None) -> Reservation | None:
        with self.network.breaking(fault):
            return self._line.run(
                commands.reserve(
                    SALE_ID,
                    reservation_id,
                    upto=upto,
                    chunk=SETTLE_CHUNK,
                    lease_seconds=settings.RESERVATION_LEASE_SECONDS,
                )
            )

    def write(self, claim: Reservation, *, commit: bool) -> Decided:
        with transaction.atomic():
            decided = {buyer: _by_place(outcome) for buyer, outcome in ledger.write_orders(claim)}
            transaction.set_rollback(not commit)
        return decided

    def confirm(self, claim: Reservation, decided: Decided, fault: Fault | None) -> int:
        numbered = [(buyer, _by_number(outcome)) for buyer, outcome in decided.items()]
        with self.network.breaking(fault):
            return self._line.run(commands.confirm(claim, numbered))

    def rebuild(self, broken_epoch: int | None, fault: Fault | None) -> None:
        with self.network.breaking(fault):
            reconciliation.rebuild_line(self._line, SALE_ID, broken_epoch=broken_epoch)

    def settle(self, upto: int, fault: Fault | None) -> int:
        with self.network.breaking(fault):
            return settlement.settle(self._line, SALE_ID, upto)

    # --- orders ---------------------------------------------------------------------------------------------------

    def pay(self, place: int) -> str:
        try:
            return payment.pay(Order.objects.get(place=place)).status
        except payment.OrderDecidedError as decided:
            return decided.order.status

    def cancel(self, place: int) -> str:
        try:
            return payment.cancel(Order.objects.get(place=place)).status
        except payment.OrderDecidedError as decided:
            return decided.order.status

    # --- beat -----------------------------------------------------------------------------------------------------

    def sweep(self, fault: Fault | None) -> list[int]:
        return self._beat(order_task.ring_doorbells, fault)

    def give_back(self, fault: Fault | None) -> list[int]:
        return self._beat(order_task.expire_unpaid_orders, fault)

    def reconcile(self, fault: Fault | None) -> None:
        assert self._beat(order_task.reconcile_sales, fault) == []

    def _beat(self, task: Callable[[], None], fault: Fault | None) -> list[int]:
        """Run a task; return the doorbells it rings."""
        self._rung.clear()
        with self.network.breaking(fault):
            task()
        return [*self._rung]

    # --- shop and servers -----------------------------------------------------------------------------------------

    def change(self, config: SaleConfig) -> None:
        Sale.objects.filter(pk=SALE_ID).update(**_row(config))

    def wipe(self) -> None:
        self._server.flushdb()
        self._set_clock()

    def remember(self) -> None:
        keys = astuple(self._in_line.keys)
        pipeline = self._server.pipeline(transaction=False)
        for key in keys:
            pipeline.dump(key)
        self._moments.append({key: dump for key, dump in zip(keys, pipeline.execute(), strict=True) if dump})

    def restart(self, back: int) -> None:
        if self._line.server_run_id_if_volatile() == ANY_SERVER:
            return
        for _ in range(min(back, len(self._moments) - 1)):
            self._moments.pop()
        self.wipe()
        for key, dump in self._moments[-1].items():
            self._server.restore(key, 0, dump)
        meta = self._in_line.keys.meta
        if self._server.hget(meta, "server") == self._run_id.encode():
            self._server.hset(meta, "server", EARLIER_RUN_ID)

    def advance(self, milliseconds: int) -> None:
        super().advance(milliseconds)
        self._set_clock()

    def _set_clock(self) -> None:
        seconds, rest = divmod(self.clock.now_ms, 1000)
        self._server.delete(CLOCK_KEY)
        self._server.rpush(CLOCK_KEY, seconds, rest * 1000)

    # --- state ----------------------------------------------------------------------------------------------------

    def kept(self) -> Kept:
        contents = self._in_line.contents()
        return Kept(
            meta=self._meta(contents["meta"]) if "meta" in contents else None,
            stock=int(contents["stock"]) if "stock" in contents else None,
            pointer=int(contents["pointer"]) if "pointer" in contents else None,
            line=contents.get("line", []),
            places={buyer: int(place) for buyer, place in contents.get("places", {}).items()},
            reservations={
                claim: Claimed(*(int(number) for number in record.split(" ")))
                for claim, record in contents.get("pending", {}).items()
            },
            outcomes={buyer: _by_place(decode(text)) for buyer, text in contents.get("outcomes", {}).items()},
            lost="rebuilding" in contents,
        )

    def _meta(self, meta: dict[str, str]) -> Meta:
        servers = {"": ANY_SERVER, self._run_id: THIS_SERVER, EARLIER_RUN_ID: EARLIER_SERVER}
        return Meta(
            epoch=int(meta["epoch"]),
            config=SaleConfig(
                int(meta["stock_total"]),
                int(meta["opens_ms"]),
                int(meta["closes_ms"]),
                meta["status"],
                int(meta["line_limit"]),
            ),
            ended_ms=int(meta["ended_ms"]),
            sold_out_ms=int(meta["sold_out_ms"]),
            rejoin_until_ms=int(meta["rejoin_until_ms"]),
            server=servers[meta["server"]],
        )

    def books(self) -> Books:
        sale = Sale.objects.get()
        return Books(
            config=reconciliation.redis_config(sale),
            sold=sale.sold,
            epoch=sale.epoch,
            ended_ms=to_epoch_ms(sale.ended_at) if sale.ended_at else None,
            orders={
                order.place: Entry(
                    order.buyer,
                    order.place,
                    order.status,
                    to_epoch_ms(order.pay_before),
                    order.released_at is not None,
                )
                for order in Order.objects.all()
            },
        )

    def look(self) -> Snapshot | None:
        return self._line.run(commands.snapshot(SALE_ID, lease_seconds=settings.RESERVATION_LEASE_SECONDS))

    def close(self) -> None:
        self._wait(self._gate.close())
        self._loop.close()
        self._server.close()
        self._patches.undo()
        logging.disable(logging.NOTSET)


def _row(config: SaleConfig) -> dict[str, Any]:
    """Return the fields of a sale's row."""
    return {
        "stock": config.stock_total,
        "opens_at": from_epoch_ms(config.opens_ms),
        "closes_at": from_epoch_ms(config.closes_ms),
        "status": config.status,
        "line_limit": config.line_limit,
    }


def _by_place(outcome: Outcome) -> Outcome:
    """Replace the order's number, which is random, by the place."""
    if isinstance(outcome, Confirmed):
        return Confirmed(f"#{Order.objects.get(number=outcome.order).place}", outcome.pay_before_ms)
    return outcome


def _by_number(outcome: Outcome) -> Outcome:
    """Replace the place by the order's number."""
    if isinstance(outcome, Confirmed):
        number = Order.objects.get(place=int(outcome.order.removeprefix("#"))).number
        return Confirmed(number, outcome.pay_before_ms)
    return outcome
