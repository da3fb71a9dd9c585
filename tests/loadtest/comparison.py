"""Comparisons with known figures, and how to read their report."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

from loadtest.comparison.report import table, write_report
from loadtest.comparison.result import Check, Comparison, Latency, Run

HOLDS = Check("No more orders than units", "at most 100", "100", holds=True)


NOTHING = Latency.of([])


def always(milliseconds: float) -> Latency:
    return Latency.of([milliseconds])


def half(first: float, second: float) -> Latency:
    return Latency.of([first, second])


def run_of(system: str, scenario: str = "flash", **differences: Any) -> Run:
    """Return a run of 1,000 buyers, answered within two seconds, with outcomes within four."""
    run = Run(
        system=system,
        scenario=scenario,
        buyers=1000,
        stock=100,
        accepted=1000,
        accepted_seconds=2.0,
        completed=1000,
        completed_seconds=4.0,
        orders=100,
        ordered_seconds=1.0,
        accept=half(10, 20),
        outcome=half(1000, 2000),
        visit=NOTHING,
        generator_busy=0.3,
        clicked_late_seconds=0.0,
        errors={},
        undecided=[(0.0, 0), (1.0, 1000), (4.0, 0)],
        depth=[(0.0, 0), (1.0, 600), (3.0, 0)],
        audit=[HOLDS],
    )
    return replace(run, **differences)


def comparison_of(*runs: Run, **differences: Any) -> Comparison:
    comparison = Comparison(
        taken_at="2025-11-21T13:02:11Z",
        command="make loadtest",
        hardware="2 cores, 4 GiB",
        versions="Python 3.11.7, Django 5.2",
        generator_per_second=100_000,
        scenarios=dict.fromkeys([run.scenario for run in runs], "Many come at once."),
        systems={run.system: f"What {run.system} does." for run in runs},
        runs=list(runs),
    )
    return replace(comparison, **differences)


def cells(comparison: Comparison) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table(comparison).splitlines()[2:]]


def page(comparison: Comparison, directory: Path) -> str:
    write_report(comparison, directory)
    return (directory / "report.html").read_text(encoding="utf-8")


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
