"""GateServer: the real gate on real connections, served in the event loop of the test."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar, cast
from urllib.parse import quote

import redis
from uvicorn.config import Config
from uvicorn.server import Server

from devtools.waiting import wait_until_async
from seckill.gate.application import Application
from seckill.gate.asgi import Receive, Scope, Send
from seckill.gate.protocol import Connection
from seckill.line.passes import Pass
from seckill.line.tickets import Ticket
from tests.gate.wire import Answered, Wire, request_bytes

T = TypeVar("T")
HOUR_MS = 3_600_000


class App:
    """The application behind the gate. Records the requests passed on to it and responds 418."""

    def __init__(self) -> None:
        self.passed_on: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (an ASGI application)
        self.passed_on.append(f"{scope['type']} {scope['path']}")
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b"the shop"})


class GateServer:
    """A client of the gate with as many keep-alive connections as needed."""

    def __init__(self, application: Application, app: App, port: int) -> None:
        self.application = application
        self.app = app
        self.port = port
        self._idle: list[Wire] = []

    async def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Answered:
        """Send one request. Cancelling it closes the connection."""
        wire = self._idle.pop() if self._idle else await Wire.open(self.port)
        try:
            wire.send(request_bytes(method, path, headers, body))
            answer = await wire.answer(method)
        except BaseException:
            wire.hang_up()
            raise
        if answer.headers.get("connection") == "close":
            wire.hang_up()
        else:
            self._idle.append(wire)
        return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().hang_up()

    async def purchase(self, sale_id: int, buyer: str) -> Answered:
        """Purchase with a valid pass."""
        return await self.purchase_with(sale_id, f"Bearer {good_pass(sale_id, buyer)}")

    async def purchase_with(self, sale_id: int, authorization: str, body: bytes = b"") -> Answered:
        return await self.request("POST", f"/api/sales/{sale_id}/purchase", {"authorization": authorization}, body)

    async def poll(self, ticket: str) -> Answered:
        return await self.request("GET", f"/api/tickets/{quote(ticket, safe='/=')}")

    async def progress(self, sale_id: int) -> Answered:
        return await self.request("GET", f"/api/sales/{sale_id}/progress")

    def unanswered(self) -> int:
        """Return the number of requests that the server has accepted and not answered."""
        return sum(client.is_answering for client in self.application.clients._clients)

    async def line_up(self, asking: Iterable[Coroutine[Any, Any, Answered]]) -> list[asyncio.Task[Answered]]:
        """Start the requests one after another, each once the one before was accepted; none is answered meanwhile."""
        tasks = []
        for asks in asking:
            wanted = self.unanswered() + 1
            tasks.append(asyncio.create_task(asks))
            await wait_until_async("the requests are taken up", partial(self._has_taken_up, wanted))
        return tasks

    def _has_taken_up(self, count: int) -> bool:
        return self.unanswered() == count


@asynccontextmanager
async def open_server(application: Application) -> AsyncIterator[int]:
    """Serve an application through the gate's connections in this event loop, as a worker does; return the port."""
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
async def open_gate_server() -> AsyncIterator[GateServer]:
    """Open a fresh gate before an `App`."""
    application = Application(app := App())
    async with open_server(application) as port:
        gate_server = GateServer(application, app, port)
        try:
            yield gate_server
        finally:
            gate_server.close()


async def exchange(gate_server: GateServer, sent: bytes) -> bytes:
    """Send bytes on a new connection; return all bytes received until the server closes it."""
    async with await Wire.open(gate_server.port) as wire:
        wire.send(sent)
        return await wire.rest()


def good_pass(sale_id: int, buyer: str) -> str:
    """Return a pass that is valid now and for the next hour."""
    now_ms = int(time.time() * 1000)
    return Pass(sale_id, buyer, now_ms, now_ms + HOUR_MS).sign()


def ticket_of(response: Answered) -> Ticket:
    """Return the ticket in the response to a purchase or a poll."""
    return Ticket.verify(response.json()["ticket"])


def problem(response: Answered) -> tuple[int, str]:
    """Check the form of an RFC 9457 response; return its status and code."""
    document = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert document["status"] == response.status_code
    assert document["type"] == f"urn:seckill:problem:{document['code']}"
    assert set(document) - {"detail"} == {"type", "title", "status", "code"}
    return response.status_code, document["code"]


def script_calls(client: redis.Redis) -> int:
    """Return the number of scripts the server has run since `reset_call_counts`."""
    stats = cast("dict[str, dict[str, int]]", client.info("commandstats"))
    return sum(stats[name]["calls"] for name in ("cmdstat_eval", "cmdstat_evalsha") if name in stats)


def commands(client: redis.Redis) -> dict[str, int]:
    """Return the calls per command since `reset_call_counts`, without those of connecting and of this function."""
    stats = cast("dict[str, dict[str, int]]", client.info("commandstats"))
    counts = {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}
    return {
        name: calls for name, calls in counts.items() if not name.startswith(("client|", "hello", "config|", "info"))
    }


def reset_call_counts(client: redis.Redis) -> None:
    client.config_resetstat()


async def ask_until(what: str, ask: Callable[[], Awaitable[Answered]], wanted: Callable[[Answered], bool]) -> Answered:
    """Repeat a request until it gets the wanted response; return that."""

    async def asked() -> Answered | None:
        return answer if wanted(answer := await ask()) else None

    found = await wait_until_async(what, asked, interval_seconds=0.01)
    assert found is not None
    return found


def hold_writes(client: redis.Redis) -> None:
    """Make the server hold all writes and scripts, for at most half a minute."""
    client.client_pause(30_000, all=False)


def release_writes(client: redis.Redis) -> None:
    client.client_unpause()


def held(client: redis.Redis) -> int:
    """Return the number of connections the server holds."""
    return cast("dict[str, int]", client.info("clients"))["blocked_clients"]


def read_json(text: str | bytes) -> Any:
    return json.loads(text)
