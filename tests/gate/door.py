"""The door of the shop: the real gate, called as a web server calls it, in the event loop of the test."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import httpx
import redis

from seckill.gate.answer import Receive, Scope, Send
from seckill.gate.routes import GateRoutes
from seckill.line.passes import Pass
from seckill.line.tickets import Ticket

T = TypeVar("T")
HOUR_MS = 3_600_000
WAIT_SECONDS_MAX = 20


class Shop:
    """What stands behind the gate: it notes who was passed on to it, and answers 418."""

    def __init__(self) -> None:
        self.passed_on: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (an ASGI application)
        self.passed_on.append(f"{scope['type']} {scope['path']}")
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b"the shop"})


class Door:
    """A browser at the gate."""

    def __init__(self, routes: GateRoutes, shop: Shop) -> None:
        self.routes = routes
        self.shop = shop
        transport = httpx.ASGITransport(cast("Any", routes))  # it is stricter about what it is sent than ASGI is
        self.browser = httpx.AsyncClient(transport=transport, base_url="https://shop.example")

    async def purchase(self, sale_id: int, buyer: str) -> httpx.Response:
        """Buy with a good pass."""
        return await self.purchase_with(sale_id, f"Bearer {good_pass(sale_id, buyer)}")

    async def purchase_with(self, sale_id: int, authorization: str | bytes, **more: Any) -> httpx.Response:
        raw = authorization.encode() if isinstance(authorization, str) else authorization
        headers = {b"authorization": raw}
        return await self.browser.post(f"/api/sales/{sale_id}/purchase", headers=headers, **more)

    async def poll(self, ticket: str) -> httpx.Response:
        return await self.browser.get(f"/api/tickets/{ticket}")

    async def progress(self, sale_id: int) -> httpx.Response:
        return await self.browser.get(f"/api/sales/{sale_id}/progress")


@asynccontextmanager
async def open_door() -> AsyncIterator[Door]:
    """A fresh gate, started and ended as a web server does it."""
    door = Door(GateRoutes(shop := Shop()), shop)
    orders = iter(["lifespan.startup", "lifespan.shutdown"])
    may_end = asyncio.Event()
    told: asyncio.Queue[str] = asyncio.Queue()

    async def receive() -> Mapping[str, Any]:
        order = next(orders)
        if order == "lifespan.shutdown":
            await may_end.wait()
        return {"type": order}

    async def send(message: Mapping[str, Any]) -> None:
        await told.put(message["type"])

    life = asyncio.create_task(door.routes({"type": "lifespan"}, receive, send))
    assert await told.get() == "lifespan.startup.complete"
    try:
        yield door
    finally:
        await door.browser.aclose()
        may_end.set()
        assert await told.get() == "lifespan.shutdown.complete"
        await life


async def raw_request(
    door: Door, method: str, path: str, headers: Mapping[str, str] | None = None
) -> list[Mapping[str, Any]]:
    """Every ASGI message the gate sends for a request without a body (an HTTP client hides some of it)."""
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    await door.routes({"type": "http", "method": method, "path": path, "headers": pairs}, receive, send)
    return sent


def good_pass(sale_id: int, buyer: str) -> str:
    """A pass for now and the next hour."""
    now_ms = int(time.time() * 1000)
    return Pass(sale_id, buyer, now_ms, now_ms + HOUR_MS).sign()


def ticket_of(response: httpx.Response) -> Ticket:
    """The ticket in an answer to a purchase or a poll."""
    return Ticket.verify(response.json()["ticket"])


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an RFC 9457 answer, whose form is checked on the way."""
    document = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert document["status"] == response.status_code
    assert document["type"] == f"urn:seckill:problem:{document['code']}"
    assert set(document) - {"detail"} == {"type", "title", "status", "code"}
    return response.status_code, document["code"]


def script_calls(client: redis.Redis) -> int:
    """How many scripts the server ran since `forget_calls`."""
    stats = cast("dict[str, dict[str, int]]", client.info("commandstats"))
    return stats.get("cmdstat_evalsha", {"calls": 0})["calls"]


def commands(client: redis.Redis) -> dict[str, int]:
    """How often the server was asked for each command since `forget_calls`, connecting and asking this left out."""
    stats = cast("dict[str, dict[str, int]]", client.info("commandstats"))
    counts = {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}
    return {
        name: calls for name, calls in counts.items() if not name.startswith(("client|", "hello", "config|", "info"))
    }


def forget_calls(client: redis.Redis) -> None:
    client.config_resetstat()


async def eventually(condition: Callable[[], T]) -> T:
    """Wait until the condition holds, and give what it gave."""
    give_up_at = time.monotonic() + WAIT_SECONDS_MAX
    while not (found := condition()):
        assert time.monotonic() < give_up_at, "this never happened"
        await asyncio.sleep(0.005)
    return found


async def eventually_answer(
    ask: Callable[[], Awaitable[httpx.Response]], wanted: Callable[[httpx.Response], bool]
) -> httpx.Response:
    """Ask until the answer is the one wanted."""
    give_up_at = time.monotonic() + WAIT_SECONDS_MAX
    while not wanted(answer := await ask()):
        assert time.monotonic() < give_up_at, f"only {answer.status_code} {answer.text}"
        await asyncio.sleep(0.01)
    return answer


def hold_writes(client: redis.Redis) -> None:
    """Have the server keep everybody who writes (or runs a script) waiting, for half a minute at most."""
    client.client_pause(30_000, all=False)


def let_go(client: redis.Redis) -> None:
    client.client_unpause()


def held(client: redis.Redis) -> int:
    """How many connections the server keeps waiting."""
    return cast("dict[str, int]", client.info("clients"))["blocked_clients"]


def read_json(text: str | bytes) -> Any:
    return json.loads(text)
