"""Workers' database connections: kept between tasks, and replaced when the server has closed them."""

import psycopg

from devtools.embedded.shop import Shop
from devtools.waiting import wait_until
from tests.shop.conftest import OpenShop
from tests.visitor import get, post

BUYERS = 12


def buy(shop: Shop, buyer_pass: str) -> None:
    """Purchase once and poll until the order exists: one doorbell, one task."""
    bearer = {"Authorization": f"Bearer {buyer_pass}"}
    ticket = post(f"{shop.address}/api/sales/1/purchase", headers=bearer).headers["Location"]
    wait_until("an order", lambda: get(f"{shop.address}{ticket}").json()["status"] == "confirmed")


def test_a_task_needs_no_connection_of_its_own(open_shop: OpenShop) -> None:
    shop = open_shop(stock=BUYERS)
    passes = shop.manage("issue_passes", "1", "--count", str(BUYERS)).split()
    buy(shop, passes[0])
    with psycopg.connect(shop.environment["DATABASE_URL"], autocommit=True) as connection:

        def sessions() -> int:
            connection.execute("SELECT pg_stat_clear_snapshot()")
            row = connection.execute(
                "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
            assert row is not None
            return int(row[0])

        before = sessions()
        for buyer_pass in passes[1:]:
            buy(shop, buyer_pass)

        assert sessions() - before <= 4  # two worker children and two web processes may each open one; eleven tasks ran


def test_connections_that_the_server_has_cut_are_replaced(open_shop: OpenShop) -> None:
    shop = open_shop(stock=2)
    first, second = shop.manage("issue_passes", "1", "--count", "2").split()
    buy(shop, first)

    shop.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    buy(shop, second)

    assert shop.sql("SELECT place, status FROM orders_order ORDER BY place") == [(1, "pending"), (2, "pending")]
    assert "terminating connection" not in shop.log("worker")
