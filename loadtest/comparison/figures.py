"""The figures of a comparison as CSV files."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from loadtest.comparison.ordering import runs_of
from loadtest.comparison.result import PERCENTILES, Comparison, Latency


def write_figures(comparison: Comparison, directory: Path) -> None:
    """Write the figures as CSV."""
    runs = runs_of(comparison)
    totals = ["buyers", "stock", "accepted", "accepted_seconds", "accepted_per_second"]
    totals += ["completed", "completed_seconds", "completed_per_second"]
    totals += ["orders", "ordered_seconds", "orders_per_second"]
    latencies = ("accept", "outcome", "visit")
    head = ["scenario", "system", *totals]
    for name in latencies:
        head += [f"{name}_count", *(f"{name}_p{p}_ms" for p in PERCENTILES)]
    lines: list[list[object]] = []
    for run in runs:
        line: list[object] = [run.scenario, run.system, *(getattr(run, name) for name in totals)]
        for name in latencies:
            latency: Latency = getattr(run, name)
            line += [latency.count, *(latency.percentiles.get(p, "") for p in PERCENTILES)]
        lines.append([*line, sum(run.errors.values()), json.dumps(run.errors), run.generator_limited, run.holds])
    head += ["errors", "errors_by_name", "generator_was_the_limit", "audit_holds"]
    _write_csv(directory / "runs.csv", head, lines)
    for name in latencies:
        _write_csv(
            directory / f"{name}_latency.csv",
            ["scenario", "system", "ms", "share"],
            ((run.scenario, run.system, *point) for run in runs for point in getattr(run, name).curve),
        )
    _write_csv(
        directory / "series.csv",
        ["scenario", "system", "series", "seconds", "buyers"],
        (
            (run.scenario, run.system, name, *point)
            for run in runs
            for name in ("undecided", "depth")
            for point in getattr(run, name)
        ),
    )
    _write_csv(
        directory / "audit.csv",
        ["scenario", "system", "check", "expected", "found", "holds"],
        ((run.scenario, run.system, c.name, c.expected, c.found, c.holds) for run in runs for c in run.audit),
    )


def _write_csv(path: Path, head: Sequence[str], lines: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(lines)
