"""The stage of the bench: one ledger server, and the shops on it, started once and measured in turn."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devtools.embedded.postgres import Postgres
from loadtest.benchmark.revision import Revision
from loadtest.benchmark.shop import MeasuredShop, RevisionSeed
from loadtest.systems import System

POSTGRES_SETTINGS = {"max_connections": "300", "shared_buffers": "256MB"}

#: The shops to start, by revision: name, system, and postgres or sqlite as ledger.
Cast = dict[Revision, list[tuple[str, System, str]]]


@contextmanager
def open_stage(directory: Path, cast: Cast) -> Iterator[dict[str, dict[str, MeasuredShop]]]:
    """Yield shops by revision label and name, each with its own Valkey; close them afterwards.

    Shops on PostgreSQL share one server, with a database each. The directory is emptied first; only logs are left in it
    afterwards.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    postgres = Postgres(directory / "postgres", settings=POSTGRES_SETTINGS)
    shops: list[MeasuredShop] = []
    stage: dict[str, dict[str, MeasuredShop]] = {}
    try:
        if any(ledger == "postgres" for several in cast.values() for _, _, ledger in several):
            postgres.start()
        for number, (revision, several) in enumerate(cast.items()):
            stage[revision.label] = {}
            seeds: dict[str, RevisionSeed] = {}
            for name, system, ledger in several:
                server = postgres if ledger == "postgres" else None
                if ledger not in seeds:
                    seeds[ledger] = RevisionSeed(revision, directory / f"seed-{number}-{ledger}", server)
                shop = MeasuredShop(system, seeds[ledger], directory / f"{name}-{number}", server, revision)
                shops.append(shop)
                shop.open()
                stage[revision.label][name] = shop
        yield stage
    finally:
        for shop in shops:
            shop.close()
        postgres.stop()
        for pattern in ("seed-*", "postgres-programs", "*/var", "*/data", "*/valkey/appendonlydir"):
            for data in directory.glob(pattern):
                shutil.rmtree(data, ignore_errors=True)
        for passes in directory.glob("passes*"):
            passes.unlink()
