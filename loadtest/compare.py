"""``make loadtest``: run every system in every scenario, audit each run, and write a report.

SYSTEMS and SCENARIOS (comma-separated names) select some. LEDGER=sqlite runs without PostgreSQL. NEGATIVE_CONTROL=1
disables the ledger's guard and wipes Redis during the run, which the audit must detect. Exit status: 0 when every audit
holds, 1 when one is violated, 2 when a setting is invalid.
"""

import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import psycopg
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from devtools.embedded.postgres import Postgres
from devtools.embedded.shop import PROJECT, Seed
from loadtest.comparison.ceiling import generator_per_second
from loadtest.comparison.control import Sabotage
from loadtest.comparison.report import table, write_report
from loadtest.comparison.result import Comparison, Run
from loadtest.comparison.rush import Rush
from loadtest.comparison.scenarios import CONTROL, SCENARIOS, Scenario
from loadtest.machine import hardware, versions
from loadtest.systems import LINE, SYSTEMS, System

T = TypeVar("T")
CHOICES = ("SYSTEMS", "SCENARIOS", "LEDGER", "NEGATIVE_CONTROL")
LEDGERS = {"postgres": "PostgreSQL", "sqlite": "SQLite"}
POSTGRES_SETTINGS = {"max_connections": "300", "shared_buffers": "256MB"}


def main() -> int:
    """Run the comparison the environment selects; return the exit status."""
    try:
        systems, scenarios = choose("SYSTEMS", SYSTEMS), choose("SCENARIOS", SCENARIOS)
        ledger, *_ = choose("LEDGER", LEDGERS)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    control = os.environ.get("NEGATIVE_CONTROL") == "1"
    if control:
        systems, scenarios = [LINE], [CONTROL]
    var = Path(os.environ.get("SECKILL_VAR_DIR", PROJECT / "var"))
    directory = var / "loadtest"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    os.environ.setdefault("SECRET_KEY", "a-key-for-load-tests-on-loopback-only")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    try:
        comparison = compare(systems, scenarios, ledger, directory, control=control)
    except KeyboardInterrupt:
        print("Stopped; no report was written.", file=sys.stderr)
        return 130
    comparison.write(directory / "results.json")
    write_report(comparison, directory)
    print(f"\n{table(comparison)}\n\nReport: {directory / 'report.html'}")
    for run in comparison.runs:
        for check in run.audit:
            if not check.holds:
                print(
                    f"VIOLATED in scenario {run.scenario}, {run.system}: {check.name}:"
                    f" expected {check.expected}, found {check.found}",
                    file=sys.stderr,
                )
    if not comparison.holds:
        return 1
    print("The audit holds in every run.")
    return 0


def choose(variable: str, known: Mapping[str, T]) -> list[T]:
    """Return the names selected by the environment in their fixed order, or all.

    Raises ValueError for an unknown name.
    """
    names = [name.strip() for name in os.environ.get(variable, ",".join(known)).split(",")]
    for name in names:
        if name not in known:
            raise ValueError(f"{variable}: there is no {name!r}. Choose from {', '.join(known)}.")
    return [known[name] for name in known if name in names]


def compare(
    systems: list[System], scenarios: list[Scenario], ledger: str, directory: Path, *, control: bool
) -> Comparison:
    """Run each scenario on each system in turn, with fresh data each time."""
    taken_at = datetime.now(UTC).isoformat(timespec="seconds")
    postgres = None
    runs: list[Run] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=len(systems) * len(scenarios) + 1)
        try:
            if ledger == "PostgreSQL":
                postgres = Postgres(directory / "postgres", settings=POSTGRES_SETTINGS)
                postgres.start()
            progress.update(bar, description="making the data")
            seed = Seed(directory / "seed", postgres)
            for scenario in scenarios:
                for system in systems:
                    place = directory / f"{scenario.name}-{system.name}"
                    place.mkdir()
                    tell = partial(_tell, progress, bar, f"{scenario.name} {system.name}")
                    rush = Rush(system, scenario, seed, place, tell)
                    runs.append(rush.run(Sabotage(rush.shop) if control else None))
                    progress.advance(bar)
            progress.update(bar, description="measuring the load generator itself")
            ceiling = generator_per_second(directory)
            progress.advance(bar)
            version = _version(postgres)
        finally:
            if postgres is not None:
                postgres.stop()
            _forget_data(directory)
    return Comparison(
        taken_at=taken_at,
        command=" ".join(["make loadtest", *(f"{name}={os.environ[name]}" for name in CHOICES if name in os.environ)]),
        hardware=hardware(),
        versions=versions(version),
        generator_per_second=ceiling,
        scenarios={scenario.name: scenario.sentence for scenario in scenarios},
        systems={system.name: system.sentence for system in systems},
        runs=runs,
    )


def _tell(progress: Progress, bar: TaskID, title: str, text: str) -> None:
    progress.update(bar, description=f"{title}: {text}")


def _forget_data(directory: Path) -> None:
    """Delete the shops' files and the ledgers; keep results and logs."""
    for pattern in ("seed", "postgres*", "metrics", "*/var", "*/valkey/appendonlydir", "*/passes"):
        for data in directory.glob(pattern):
            if data.is_dir():
                shutil.rmtree(data, ignore_errors=True)
            else:
                data.unlink()


def _version(postgres: Postgres | None) -> str:
    if postgres is None:
        return f"SQLite {sqlite3.sqlite_version}"
    with psycopg.connect(postgres.url("postgres")) as connection:
        return f"PostgreSQL {connection.info.parameter_status('server_version')}"


if __name__ == "__main__":
    sys.exit(main())
