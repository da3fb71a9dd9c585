"""PostgreSQL: restarted, refusing, and disconnected during a COMMIT."""

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.embedded.postgres import Postgres
from devtools.embedded.shop import Seed
from devtools.waiting import wait_until
from tests.faults.conftest import MakeCase, OpenShop
from tests.faults.proxy import Proxy


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server for this module that syncs every commit."""
    with tempfile.TemporaryDirectory(prefix="seckill-postgres-") as directory:
        Path(directory).chmod(0o755)
        running = Postgres(Path(directory) / "postgres")
        running.start()
        yield running
        running.stop()


@pytest.fixture(scope="module")
def own_seed(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Seed:
    """The shop's initial data on that server."""
    return Seed(tmp_path_factory.mktemp("seed") / "seeded", postgres)


def test_killed_and_restarted(open_shop: OpenShop, make_case: MakeCase, postgres: Postgres, own_seed: Seed) -> None:
    shop = open_shop(seed=own_seed)
    case = make_case(shop)
    with case:
        case.await_accepted(30)
        case.broken()
        postgres.stop(signal.SIGQUIT)  # immediate shutdown: uncommitted work is lost
        postgres.start()
        case.recovers()


@pytest.mark.thorough
def test_refused_for_twenty_seconds(
    open_shop: OpenShop, make_case: MakeCase, postgres: Postgres, own_seed: Seed
) -> None:
    with Proxy(postgres.port) as proxy:
        shop = open_shop(seed=own_seed, database_by=proxy.port)
        case = make_case(shop)
        with case:
            case.await_accepted(10)
            proxy.refuse()
            refused_at = case.now()
            case.await_accepted(len(case.buyers))  # purchases do not need the ledger
            orders = len(shop.orders(case.sale))
            wait_until("twenty seconds are over", lambda: case.now() - refused_at > 20)
            assert len(shop.orders(case.sale)) == orders
            case.broken()
            proxy.mend()
            case.recovers(within_seconds=8)


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(True, id="not committed"),
        pytest.param(False, id="committed, and nobody told", marks=pytest.mark.thorough),
    ],
)
def test_cut_off_during_commit(
    open_shop: OpenShop, make_case: MakeCase, postgres: Postgres, own_seed: Seed, before: bool
) -> None:
    with Proxy(postgres.port) as proxy:
        shop = open_shop(seed=own_seed, database_by=proxy.port)
        case = make_case(shop)
        proxy.cut_at(b"COMMIT", after=b"INSERT INTO orders_order ", before=before)
        with case:
            wait_until("a COMMIT is cut off", lambda: proxy.cuts)
            case.broken()
            case.recovers()
