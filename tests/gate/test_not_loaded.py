"""Sales that are not loaded: recovering, long ended, or nonexistent."""

import asyncio
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orders.reconciliation import sync_sale_to_redis
from seckill.catalog.models import Sale
from seckill.line.line import Line
from seckill.line.tickets import Ticket
from tests.conftest import MakeSale
from tests.gate.gate_server import GateServer, ask_until, open_gate_server, problem

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sale(make_sale: MakeSale) -> Sale:
    return make_sale(stock=3)


@pytest.fixture
def unloaded_sale(sale: Sale, line: Line) -> Sale:
    """A sale in the ledger whose line is lost."""
    line.client.flushdb()
    return sale


@pytest.fixture
def long_ended_sale(sale: Sale, line: Line) -> Sale:
    """A sale that ended a year ago: Redis has dropped it, and the sweeper does not load it."""
    year = timedelta(days=365)
    Sale.objects.filter(pk=sale.pk).update(
        opens_at=sale.opens_at - year, closes_at=sale.closes_at - year, ended_at=timezone.now() - year
    )
    line.client.flushdb()
    return sale


async def test_a_sale_that_is_not_loaded_is_recovering_neither_sold_out_nor_gone(
    gate_server: GateServer, unloaded_sale: Sale
) -> None:
    sale_id = unloaded_sale.pk
    for response in (
        await gate_server.purchase(sale_id, "olga"),
        await gate_server.progress(sale_id),
        await gate_server.poll(Ticket(sale_id, 1, "olga", 1).sign()),
    ):
        assert problem(response) == (503, "recovering")
        assert response.headers["retry-after"] == "2"


async def test_a_sale_that_never_was_is_not_found(gate_server: GateServer, sale: Sale) -> None:
    made_up = sale.pk + 1000

    assert problem(await gate_server.purchase(made_up, "olga")) == (404, "not_found")
    assert problem(await gate_server.progress(made_up)) == (404, "not_found")
    assert problem(await gate_server.poll(Ticket(made_up, 1, "olga", 1).sign())) == (404, "not_found")
    assert "retry-after" not in (await gate_server.progress(made_up)).headers


def test_a_sale_that_comes_back_is_served_again(unloaded_sale: Sale, line: Line) -> None:
    async def visit() -> int:
        async with open_gate_server() as gate_server:
            return (await gate_server.purchase(unloaded_sale.pk, "olga")).status_code

    assert asyncio.run(visit()) == 503
    sync_sale_to_redis(line, unloaded_sale)
    Sale.objects.filter(pk=unloaded_sale.pk).update(epoch=1)
    line.client.hset(f"{{sale:{unloaded_sale.pk}}}:meta", "rejoin_until_ms", 0)  # its rejoin window is over
    assert asyncio.run(visit()) == 202
    assert line.length(unloaded_sale.pk) == 1


async def test_a_sale_that_ended_long_ago_is_over_not_recovering(
    gate_server: GateServer, long_ended_sale: Sale
) -> None:
    sale_id = long_ended_sale.pk
    for response in (
        await gate_server.purchase(sale_id, "olga"),
        await gate_server.progress(sale_id),
        await gate_server.poll(Ticket(sale_id, 1, "olga", 1).sign()),
    ):
        assert problem(response) == (403, "closed")


async def test_a_flood_of_made_up_sales_keeps_nobody_from_buying(
    gate_server: GateServer, sale: Sale, line: Line
) -> None:
    """Each nonexistent sale costs a query. They wait for each other, and a purchase waits with them and succeeds."""
    flood = [asyncio.create_task(gate_server.progress(made_up)) for made_up in range(100_000, 100_400)]
    await asyncio.sleep(0)

    assert (await gate_server.purchase(sale.pk, "olga")).json()["place"] == 1

    assert {problem(await made_up) for made_up in flood} == {(404, "not_found")}
    assert line.length(sale.pk) == 1


def test_a_restarted_database_is_queried_again(sale: Sale) -> None:
    made_up = sale.pk + 1000

    async def visit(*wanted: tuple[int, str]) -> tuple[int, str]:
        async with open_gate_server() as gate_server:
            return problem(
                await ask_until(
                    "the sale is refused", lambda: gate_server.progress(made_up), lambda it: problem(it) in wanted
                )
            )

    assert asyncio.run(visit((404, "not_found"))) == (404, "not_found")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
        assert cursor.fetchone()[0] >= 1

    assert asyncio.run(visit((404, "not_found"), (503, "unavailable"))) in {(404, "not_found"), (503, "unavailable")}
    assert asyncio.run(visit((404, "not_found"))) == (404, "not_found")
