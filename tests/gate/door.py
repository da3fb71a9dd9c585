"""The door of the shop: the real gate on real connections, served in the event loop of the test."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import httpx
import redis
from uvicorn.config import Config
from uvicorn.server import Server

from seckill.gate.application import Application
from seckill.gate.asgi import Receive, Scope, Send
from seckill.gate.protocol import Connection
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
    """A browser at the gate, and the address for whoever wants a connection of their own."""

    def __init__(self, application: Application, shop: Shop, port: int) -> None:
        self.application = application
        self.shop = shop
        self.port = port
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self.browser = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=WAIT_SECONDS_MAX)

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
async def open_server(application: Application) -> AsyncIterator[int]:
    """Serve an application on connections of the gate, in this event loop; the port. Started and ended as in a worker."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    port: int = listener.getsockname()[1]
    config = Config(
        cast("Any", application), http=Connection, ws="none", lifespan="on", access_log=False, log_config=None,
        proxy_headers=False, server_header=False,
    )  # fmt: skip
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield port
    finally:
        await server.shutdown(sockets=[listener])


@asynccontextmanager
async def open_door() -> AsyncIterator[Door]:
    """A fresh gate before a shop."""
    application = Application(shop := Shop())
    async with open_server(application) as port:
        door = Door(application, shop, port)
        try:
            yield door
        finally:
            await door.browser.aclose()


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """A response as it came over the wire."""

    status: int
    headers: dict[str, str]  #: names in lower case
    body: bytes


async def raw_request(
    door: Door, method: str, path: str, headers: Mapping[str, str] | None = None, *, body: bytes = b""
) -> RawAnswer:
    """Send a request as it stands on a connection of its own, and read until the server closes it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return parse_answer(await exchange(door, "\r\n".join(lines).encode() + b"\r\n\r\n" + body))


async def exchange(door: Door, sent: bytes) -> bytes:
    """Send bytes on a connection of its own; everything that comes back until the server closes it."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(sent)
        received = await reader.read()
        writer.close()
        return received


def parse_answer(received: bytes) -> RawAnswer:
    """The one response in these bytes."""
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return RawAnswer(int(status.split(" ")[1]), {name.lower(): value for name, value in headers.items()}, body)


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
