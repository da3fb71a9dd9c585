"""Fixtures: a gate, a sale behind it, and servers to inspect and stop."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import redis
import uvloop

from celery_task import app as celery
from devtools.embedded.ports import free_port
from devtools.embedded.valkey import Valkey
from seckill.gate import clients
from seckill.gate import response_cache as public_answers
from seckill.line import line as lines
from tests import servers
from tests.gate.clock import Clock
from tests.gate.echo import EchoServer, open_echo
from tests.gate.gate_server import GateServer, open_gate_server
from tests.gate.visitor import Visit, open_shops
from tests.gate.wire import WAIT_SECONDS_MAX
from tests.line.conftest import load_sale

__all__ = ["load_sale"]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], Any]]:  # noqa: ARG001 (a hook)
    """The event loop web processes run on: flow control depends on its transports."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the response cache. The Date header stands still, too."""
    clock = Clock()
    monkeypatch.setattr(clients, "CHECK_INTERVAL_SECONDS", 3600)
    monkeypatch.setattr(public_answers, "monotonic", clock)
    return clock


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate with long Redis time-outs, for tests that hold Redis on purpose and for busy machines."""
    monkeypatch.setattr(lines, "SOCKET_TIMEOUT_SECONDS", WAIT_SECONDS_MAX)
    monkeypatch.setattr(lines, "CONNECTION_WAIT_SECONDS", WAIT_SECONDS_MAX)


@pytest_asyncio.fixture
async def gate_server(patient: None) -> AsyncIterator[GateServer]:  # noqa: ARG001 (opened while it holds)
    """A fresh gate on the test's own servers."""
    async with open_gate_server() as gate_server:
        yield gate_server


@pytest_asyncio.fixture
async def echo() -> AsyncIterator[EchoServer]:
    """An application that records its requests."""
    async with open_echo() as echo:
        yield echo


@pytest_asyncio.fixture
async def visit() -> AsyncIterator[Visit]:
    """Return a function that opens a shop behind connections of the gate."""
    async with open_shops() as visit:
        yield visit


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    """The line's Valkey, to inspect. Held commands are released afterwards."""
    with redis.Redis.from_url(servers.valkey.url(0), decode_responses=True) as client:
        yield client
        client.client_unpause()


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A running server that the test may stop."""
    valkey = Valkey(tmp_path / "valkey")
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture
def dead_address() -> str:
    """An address that refuses connections."""
    return f"redis://127.0.0.1:{free_port()}/0"


class Broker:
    """Moves Celery's producers to another address."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def move(self, url: str) -> None:
        """Publish to ``url`` from now on."""
        self._monkeypatch.setenv("CELERY_BROKER_URL", url)  # Celery prefers it to its configuration
        self.drop_producers()

    @staticmethod
    def drop_producers() -> None:
        """Drop Celery's cached producers; the next message makes new ones."""
        celery.__dict__.pop("amqp", None)


@pytest.fixture
def broker() -> Iterator[Broker]:
    """The broker's address, restored afterwards."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Broker(monkeypatch)
    Broker.drop_producers()
