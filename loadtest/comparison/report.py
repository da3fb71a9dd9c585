"""The report of a comparison, as HTML page, Markdown and CSV.

Every sentence about speed is derived from the numbers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.template import Context, Engine

from loadtest.comparison.charts import Chart, colours_of, draw, duration, rate
from loadtest.comparison.figures import write_figures
from loadtest.comparison.ordering import runs_in, runs_of, scenarios_of, systems_of
from loadtest.comparison.result import BUSY, LATE, Comparison, Latency, Run
from loadtest.comparison.verdict import COMPLETED, Measure, joined, percentile, verdict

NONE = "-"  #: shown when nothing was measured
COLUMNS = (
    "buyers",
    "accepted",
    "accepted/s",
    "accept p50 / p99",
    "completed",
    "completed/s",
    "time to outcome p50 / p99",
    "orders",
    "orders/s",
    "errors",
    "audit",
)
SUITS = {
    "sync": (
        "Fewer buy at once than there are request slots, the work is short, and pages may wait when it is not.",
        "One process and one answer: nothing to poll, nothing that can be left behind.",
    ),
    "naive": (
        "The work is slow, and buyers come more slowly than the workers complete them: the broker holds the rest.",
        "A message, a transaction and a stored result for each purchase; no place in line to show.",
    ),
    "line": (
        "A crowd comes at once for a few units, who came first matters, and people want to see where they stand.",
        "A line to keep, rebuild and reconcile, besides broker and workers.",
    ),
}  #: system -> when it is suitable, and what it costs

NOT_GIVEN = (
    "Faster work: a slow call takes as long in a worker as in a request; only the waiting moves.",
    "More stock: a hundred units are a hundred orders, however fast the rest is told.",
    "One request a buyer: whoever is told later asks again, at least once, and those polls are load too.",
    "Fewer parts: a broker and workers have to run, be watched, and be caught up with after a fault.",
)  #: what buffering does not improve

LEGEND = (
    "Accepted and completed are two numbers: a queue accepts at once and completes later. Bold is the best of its"
    " scenario, or within 10% of it; ≥ is a lower bound."
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of the result table."""

    text: str
    best: bool = False  #: whether it is the best of its scenario, or about equal


@dataclass(frozen=True, slots=True)
class Row:
    """One run in the result table. A system not run in a scenario has no cells."""

    scenario: str
    system: str
    cells: list[Cell]


MEASURES = {
    "accepted/s": Measure(lambda run: run.accepted_per_second or None, largest=True),
    "accept p50 / p99": percentile("accept", 99),
    "completed/s": COMPLETED,
    "time to outcome p50 / p99": percentile("outcome", 99),
    "orders/s": Measure(lambda run: run.orders_per_second or None, largest=True),
}  #: column -> the measure its best figure is chosen by


def write_report(comparison: Comparison, directory: Path) -> None:
    """Write report.html, report.md, the CSV files and the charts to a directory."""
    (directory / "charts").mkdir(parents=True, exist_ok=True)
    colours = colours_of(systems_of(comparison))
    charts = {scenario: draw(scenario, runs_in(comparison, scenario), colours) for scenario in scenarios_of(comparison)}
    for chart in (chart for drawn in charts.values() for chart in drawn):
        chart.write(directory / "charts")
    (directory / "report.html").write_text(_page(comparison, charts, colours), encoding="utf-8")
    (directory / "report.md").write_text(_markdown(comparison, charts), encoding="utf-8")
    write_figures(comparison, directory)


def table(comparison: Comparison) -> str:
    """Return the result table as Markdown."""
    rows = [
        [row.scenario, row.system, *[f"**{cell.text}**" if cell.best else cell.text for cell in row.cells]]
        if row.cells
        else [row.scenario, row.system, "not run", *[NONE] * (len(COLUMNS) - 1)]
        for row in rows_of(comparison)
    ]
    return _markdown_table(["scenario", "system", *COLUMNS], rows, right=range(2, len(COLUMNS) + 1))


def violations(comparison: Comparison) -> list[str]:
    """Return a sentence for every failed check and every run without an audit."""
    if not comparison.runs:
        return ["Nothing was run."]
    found = []
    for run in comparison.runs:
        where = f"{run.scenario}, {run.system}"
        if not run.audit:
            found.append(f"{where}: no audit was taken.")
        found += [
            f"{where}: {check.name}: expected {check.expected}, found {check.found}."
            for check in run.audit
            if not check.holds
        ]
    return found


def title(comparison: Comparison) -> str:
    """Return the report's title, which says first if an audit does not hold."""
    name = f"Load test: {joined(systems_of(comparison), 'or')}?"
    return name if comparison.holds else f"VIOLATED: {name}"


def rows_of(comparison: Comparison) -> list[Row]:
    """Return the result table: scenarios and systems in the order run."""
    rows = []
    for scenario in scenarios_of(comparison):
        runs = runs_in(comparison, scenario)
        best = {column: measure.leaders(runs) for column, measure in MEASURES.items()}
        for system in systems_of(comparison):
            rows += [
                Row(
                    scenario,
                    system,
                    [
                        Cell(text, best=0 < len(best.get(column, [])) < len(runs) and run in best[column])
                        for column, text in zip(COLUMNS, _figures(run), strict=True)
                    ],
                )
                for run in runs
                if run.system == system
            ] or [Row(scenario, system, [])]
    return rows


def _figures(run: Run) -> list[str]:
    limited = run.generator_limited
    return [
        f"{run.buyers:,}",
        f"{run.accepted:,}",
        rate(run.accepted_per_second, at_least=limited),
        _both(run.accept),
        f"{run.completed:,}",
        rate(run.completed_per_second, at_least=limited),
        _both(run.outcome),
        f"{run.orders:,}",
        rate(run.orders_per_second),
        f"{sum(run.errors.values()):,}",
        _mark(holds=run.holds),
    ]


def _both(latency: Latency) -> str:
    return " / ".join(duration(latency.percentiles[p]) for p in (50, 99)) if latency.count else NONE


def _page(comparison: Comparison, charts: dict[str, list[Chart]], colours: dict[str, str]) -> str:
    """Return the report as a self-contained page."""
    rows = rows_of(comparison)
    context = {
        "title": title(comparison),
        "holds": comparison.holds,
        "banner": _banner(comparison),
        "violations": violations(comparison),
        "verdict": verdict(comparison),
        "columns": COLUMNS,
        "scenarios": [
            {
                "name": scenario,
                "text": comparison.scenarios.get(scenario, ""),
                "rows": [row for row in rows if row.scenario == scenario],
                "charts": charts[scenario],
            }
            for scenario in scenarios_of(comparison)
        ],
        "systems": [(system, colours[system], comparison.systems.get(system, "")) for system in systems_of(comparison)],
        "choices": _choices(comparison),
        "legend": LEGEND,
        "not_given": NOT_GIVEN,
        "errors": _errors(comparison),
        "audited": [(run.scenario, run.system, run.audit) for run in runs_of(comparison)],
        "taken": _taken(comparison),
        "ceiling": _ceiling(comparison),
    }
    template = Engine(dirs=[str(Path(__file__).parent)]).get_template("report.html")
    return template.render(Context(context))  # text only: formatting numbers would need Django's settings


def _markdown(comparison: Comparison, charts: dict[str, list[Chart]]) -> str:
    """Return the report as Markdown that links the charts."""
    parts = [f"# {title(comparison)}", f"**{_banner(comparison)}**"]
    parts += ["\n".join(f"- {violation}" for violation in violations(comparison))] * (not comparison.holds)
    parts += [
        "\n".join(f"- **{scenario}**: {'; '.join(clauses)}." for scenario, clauses in verdict(comparison)),
        table(comparison),
        "\n".join(f"- **{system}**: {comparison.systems.get(system, '')}" for system in systems_of(comparison)),
        LEGEND,
    ]
    for scenario, drawn in charts.items():
        parts += [f"## {scenario}", comparison.scenarios.get(scenario, "")]
        parts += [f"![{chart.title}](charts/{chart.name}.png)\n\n{chart.reading}" for chart in drawn]
    choices = [[*words, "<br>".join(here)] for *words, here in _choices(comparison)]
    errors = _errors(comparison)
    audit = [
        [run.scenario, run.system, check.name, check.expected, check.found, _mark(holds=check.holds)]
        for run in runs_of(comparison)
        for check in run.audit
    ]
    parts += [
        "## Which one to choose",
        _markdown_table(["system", "fine when", "what comes with it", "here (p50 / p99)"], choices),
        "What neither queue nor line gives:",
        "\n".join(f"- {sentence}" for sentence in NOT_GIVEN),
        "## Errors",
        _markdown_table(["scenario", "system", "error", "times"], errors, right=[3]) if errors else "None.",
        "## Audit",
        _markdown_table(["scenario", "system", "what has to hold", "expected", "found", ""], audit)
        if audit
        else "None was taken.",
        "## How it was taken",
        _markdown_table(["", ""], _taken(comparison)),
        _ceiling(comparison),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _banner(comparison: Comparison) -> str:
    checks = [check for run in comparison.runs for check in run.audit]
    runs = f"{len(comparison.runs)} {'run' if len(comparison.runs) == 1 else 'runs'}"
    if comparison.holds:
        return f"The audit holds: {len(checks)} of {len(checks)} checks, in {runs}."
    return f"The audit is VIOLATED: {sum(check.holds for check in checks)} of {len(checks)} checks hold, in {runs}."


def _choices(comparison: Comparison) -> list[tuple[str, str, str, list[str]]]:
    """Return for each system when it is suitable, what it costs, and how it did."""
    choices = []
    for system in systems_of(comparison):
        here = [
            f"{run.scenario}: {rate(run.completed_per_second, at_least=run.generator_limited)} completed/s,"
            f" answer {_both(run.accept)}, outcome {_both(run.outcome)}"
            for run in runs_of(comparison)
            if run.system == system
        ]
        choices.append((system, *SUITS.get(system, (NONE, NONE)), here or ["not run"]))
    return choices


def _errors(comparison: Comparison) -> list[tuple[str, str, str, str]]:
    """Return where, what and how often, most frequent of a run first."""
    return [
        (run.scenario, run.system, error, f"{count:,}")
        for run in runs_of(comparison)
        for error, count in sorted(run.errors.items(), key=lambda item: -item[1])
    ]


def _taken(comparison: Comparison) -> list[tuple[str, str]]:
    return [
        ("when", comparison.taken_at),
        ("command", comparison.command),
        ("hardware", comparison.hardware),
        ("versions", comparison.versions),
        ("generator alone", f"{rate(comparison.generator_per_second)} requests/s, against a constant reply"),
    ]


def _ceiling(comparison: Comparison) -> str:
    """Say how far the figures are the system's and not the load generator's."""
    limited = [
        f"{run.scenario} {run.system} ({run.generator_busy:.0%}, {run.clicked_late_seconds:.1f} s late)"
        for run in runs_of(comparison)
        if run.generator_limited
    ]
    return (
        f"Where the load generator was computing for {BUSY:.0%} of the time and more, or its last click came late by"
        f" {LATE:.0%} of the time that the answers took, it may have been the limit: rates are lower bounds, marked ≥,"
        " and times may be the generator's."
        f" That is so in {joined(limited) if limited else 'no run'}."
    )


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    right = set(right)
    lines = [head, ["--:" if column in right else "---" for column in range(len(head))], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _mark(*, holds: bool) -> str:
    return "✓" if holds else "✗"
