"""Report: one line per case while they run, and a table of all in FAULTS_TABLE (``-p tests.faults.report``).

The docstring of a case's module is the heading, the case's name the row; ``make_case`` adds seed and seconds.
"""

import inspect
import os
import platform
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

MARKS = {"passed": "✓", "failed": "✗", "skipped": "not run"}


@dataclass(frozen=True, slots=True)
class Row:
    """One case and its result."""

    heading: str
    case: str
    result: str
    recovered: str  #: seconds, "" when the case measures none
    seed: str  #: "" when the case has no randomness


class Report:
    """Collects rows in the order the cases ran."""

    def __init__(self, cases: int) -> None:
        self.rows: dict[str, Row] = {}
        self._cases = cases

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Take a row from the phase that decides: the call, or a set-up that skipped or failed."""
        report = yield
        if report.when == "call" or (report.when == "setup" and not report.passed):
            said = dict(item.user_properties)
            row = Row(
                heading=_heading(item),
                case=str(said.get("case", _case(item))),
                result=MARKS[report.outcome],
                recovered=str(said.get("recovered", "")),
                seed=str(said.get("seed", "")),
            )
            self.rows[item.nodeid] = row
            recovered = f", recovered in {row.recovered} s" if row.recovered else ""
            seed = f" (seed {row.seed})" if row.seed else ""
            text = (
                f"\n[{len(self.rows):>3}/{self._cases}] {row.result} {row.case}{recovered}{seed}, {call.duration:.0f} s"
            )
            item.config.get_terminal_writer().line(text)
        return report

    def table(self) -> str:
        """Return the page."""
        passed = sum(row.result == MARKS["passed"] for row in self.rows.values())
        system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
        lines = [
            "# Faults",
            "",
            "Written by `make faults`; what the cases have in common, and how to run one of them again, is in",
            "[run the fault suite](../how-to/run-the-fault-suite.md).",
            "",
            f"{passed} of {len(self.rows)} cases hold. {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {system}.",
        ]
        heading = ""
        for row in self.rows.values():
            if row.heading != heading:
                heading = row.heading
                lines += ["", f"## {heading}", "", "| case | holds | recovered after | seed |", "|---|---|--:|--:|"]
            seconds = f"{row.recovered} s" if row.recovered else ""
            lines.append(f"| {row.case} | {row.result} | {seconds} | {row.seed} |")
        return "\n".join([*lines, ""])


def _heading(item: pytest.Item) -> str:
    module = item.getparent(pytest.Module)
    return (inspect.getdoc(module.obj) or item.nodeid).split("\n")[0].rstrip(".") if module else item.nodeid


def _case(item: pytest.Item) -> str:
    name, _, parameters = item.name.partition("[")
    words = name.removeprefix("test_").replace("_", " ")
    return f"{words}: {parameters.rstrip(']')}" if parameters else words


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the report, now that the number of cases is fixed."""
    session.config.pluginmanager.register(Report(len(session.items)), "faults-report")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the table, unless the run was interrupted."""
    report = session.config.pluginmanager.get_plugin("faults-report")
    table = os.environ.get("FAULTS_TABLE")
    if table and isinstance(report, Report) and len(report.rows) == len(session.items):
        Path(table).write_text(report.table(), encoding="utf-8")
