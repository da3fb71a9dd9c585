"""Many page requests: a web process limits its threads and connections, and continues to sell."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

import httpx
import psycopg
import pytest

from devtools.embedded.shop import Shop
from devtools.waiting import wait_until
from tests.shop.conftest import OpenShop

THREADS = 2
WAITING_MAX = 10
CROWD = 40
BLOCKED = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%django_session%'"
)


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    return open_shop(WEB_CONCURRENCY="1", DATABASE_POOL_SIZE=str(THREADS + 4), DJANGO_WAITING_MAX=str(WAITING_MAX))


@pytest.fixture
def sessions(shop: Shop) -> Iterator[psycopg.Connection]:
    """Hold a transaction that blocks every read of sessions until it ends."""
    with psycopg.connect(shop.environment["DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE django_session IN ACCESS EXCLUSIVE MODE")
        yield connection


def threads_of(shop: Shop) -> int:
    """Return the number of threads of the web process that responds."""
    (worker,) = Path(f"/proc/{shop.processes['web'].pid}/task/{shop.processes['web'].pid}/children").read_text().split()
    return len(list(Path(f"/proc/{worker}/task").iterdir()))


def blocked(shop: Shop) -> int:
    return int(shop.sql(BLOCKED)[0][0])


@asynccontextmanager
async def crowd(shop: Shop, people: int) -> AsyncIterator[list["asyncio.Task[httpx.Response]"]]:
    """Send ``people`` requests for the current user, each on its own connection."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=shop.address, limits=limits, timeout=30) as client:
        yield [
            asyncio.create_task(
                client.get(f"/api/auth/me?{number}", headers={"Cookie": f"sessionid=of-visitor-{number}"})
            )
            for number in range(people)
        ]


async def test_a_crowd_that_the_database_keeps_waiting_takes_no_more_than_its_share(
    shop: Shop, sessions: psycopg.Connection
) -> None:
    buyer_pass = shop.manage("issue_passes", "1", "--count", "1").strip()
    before = threads_of(shop)

    async with crowd(shop, CROWD) as people:
        await asyncio.to_thread(wait_until, "two wait for the ledger", lambda: blocked(shop) == THREADS)
        refused = [await first for first in islice(asyncio.as_completed(people), CROWD - THREADS - WAITING_MAX)]
        waiting = [person for person in people if not person.done()]
        assert len(waiting) == THREADS + WAITING_MAX
        assert {answer.status_code for answer in refused} == {503}
        assert {answer.headers["Retry-After"] for answer in refused} == {"2"}
        assert {answer.json()["code"] for answer in refused} == {"unavailable"}
        assert (blocked(shop), threads_of(shop) - before <= THREADS) == (THREADS, True)

        # Purchases, probes and metrics are still served.
        async with httpx.AsyncClient(base_url=shop.address) as client:
            bought = await client.post("/api/sales/1/purchase", headers={"Authorization": f"Bearer {buyer_pass}"})
            assert bought.status_code == 202
            for probe in ("/healthz", "/readyz"):
                assert (await client.get(probe)).status_code == 200
            counted = (await client.get("/metrics")).text
        assert f'seckill_django_refused_total{{reason="full"}} {len(refused)}.0' in counted
        assert f'seckill_django_requests{{state="inside"}} {THREADS + 1}.0' in counted  # and /metrics
        assert f'seckill_django_requests{{state="waiting"}} {WAITING_MAX}.0' in counted

        late = [await first for first in islice(asyncio.as_completed(waiting), WAITING_MAX)]
        assert {answer.status_code for answer in late} == {503}  # refused after three seconds; the two inside wait on
        sessions.rollback()
        assert Counter([(await person).status_code for person in people]) == {503: CROWD - THREADS, 401: THREADS}


async def test_who_hangs_up_leaves_the_thread_to_nobody_until_the_ledger_has_answered(
    shop: Shop, sessions: psycopg.Connection
) -> None:
    for _ in range(3):
        async with crowd(shop, THREADS) as people:
            await asyncio.to_thread(wait_until, "two wait for the ledger", lambda: blocked(shop) == THREADS)
            for person in people:
                person.cancel()
            await asyncio.wait(people)
        assert blocked(shop) == THREADS

    sessions.rollback()
    async with crowd(shop, THREADS * 3) as people:
        assert [(await person).status_code for person in people] == [401] * THREADS * 3
