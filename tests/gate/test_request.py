"""Each request gets exactly one response, and no response goes to another request."""

import asyncio
from typing import Any, cast

import pytest
import redis

from devtools.waiting import wait_until_async
from seckill.gate.request import Request
from seckill.gate.response import Response, json_head
from tests.gate.gate_server import GateServer, held, hold_writes, release_writes
from tests.line.conftest import LoadSale

WRONG = Response(500, json_head(500), b'{"secret":"of another buyer"}')


def under_way(gate_server: GateServer) -> Request | None:
    """Return the request that the only connection is answering."""
    (client,) = gate_server.application.clients._clients
    return cast("Any", client)._request  # type: ignore[no-any-return]  # what it is, is not public


async def test_an_answer_that_comes_twice_is_not_the_next_requests(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis
) -> None:
    load_sale(stock=0)
    hold_writes(server)
    asking = asyncio.create_task(gate_server.purchase(7, "olga"))
    await wait_until_async("the server holds a connection", lambda: held(server) == 1)
    first = under_way(gate_server)
    assert first is not None
    release_writes(server)
    assert (await asking).json()["place"] == 1
    hold_writes(server)
    asking = asyncio.create_task(gate_server.purchase(7, "amir"))  # on the same connection
    await wait_until_async(
        "under_way(gate_server) not in (None, first)", lambda: under_way(gate_server) not in (None, first)
    )

    first.respond(WRONG)
    first.forward()
    release_writes(server)

    assert (await asking).json()["place"] == 2
    assert (await gate_server.purchase(7, "olga")).json()["place"] == 1
    assert gate_server.app.passed_on == []


@pytest.mark.parametrize("late", ["finish", "forward"])
async def test_what_django_answers_is_not_answered_by_the_gate_too(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis, late: str
) -> None:
    load_sale(stock=0)
    hold_writes(server)
    asking = asyncio.create_task(gate_server.purchase(7, "olga"))
    await wait_until_async("the server holds a connection", lambda: held(server) == 1)
    request = under_way(gate_server)
    assert request is not None

    request.forward()
    if late == "finish":
        request.respond(WRONG)
    else:
        request.forward()

    assert ((await asking).status_code, (await gate_server.poll("made-up")).status_code) == (418, 404)
    assert gate_server.app.passed_on == ["http /api/sales/7/purchase"]
