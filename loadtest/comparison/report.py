"""The report of a comparison, as HTML page, Markdown and CSV.

Every sentence about speed is derived from the numbers.
"""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.template import Context, Engine

from loadtest.comparison.charts import Chart, colours_of, draw, duration, rate
from loadtest.comparison.result import BUSY, LATE, PERCENTILES, Comparison, Latency, Run

ALIKE = 1.1  #: figures within this factor count as equal
LOST = 0.01  #: a larger share of buyers without an outcome is part of the verdict
OURS = "line"  #: the system whose loss is explained
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


@dataclass(frozen=True, slots=True)
class Measure:
    """A value by which runs are ranked."""

    value: Callable[[Run], float | None]  #: None when it was not measured
    largest: bool = False  #: whether a higher value is better

    def ranking(self, runs: Iterable[Run]) -> list[tuple[Run, float]]:
        """Return the runs whose audit holds, best first, with the factor by which each is worse than the best."""
        values = [(run, max(value, 0.001)) for run in runs if run.holds and (value := self.value(run)) is not None]
        values.sort(key=lambda pair: pair[1], reverse=self.largest)
        return [(run, values[0][1] / value if self.largest else value / values[0][1]) for run, value in values]

    def leaders(self, runs: Iterable[Run]) -> list[Run]:
        """Return the best runs and those about equal."""
        return [run for run, times in self.ranking(runs) if times < ALIKE]


def _percentile(latency: str, p: int) -> Measure:
    """Return a percentile of one of a run's latencies, by its name."""
    return Measure(lambda run: getattr(run, latency).percentiles.get(p))


COMPLETED = Measure(lambda run: run.completed_per_second or None, largest=True)
MEASURES = {
    "accepted/s": Measure(lambda run: run.accepted_per_second or None, largest=True),
    "accept p50 / p99": _percentile("accept", 99),
    "completed/s": COMPLETED,
    "time to outcome p50 / p99": _percentile("outcome", 99),
    "orders/s": Measure(lambda run: run.orders_per_second or None, largest=True),
}  #: column -> the measure its best figure is chosen by


def write_report(comparison: Comparison, directory: Path) -> None:
    """Write report.html, report.md, the CSV files and the charts to a directory."""
    (directory / "charts").mkdir(parents=True, exist_ok=True)
    colours = colours_of(_systems(comparison))
    charts = {scenario: draw(scenario, _runs(comparison, scenario), colours) for scenario in _scenarios(comparison)}
    for chart in (chart for drawn in charts.values() for chart in drawn):
        chart.write(directory / "charts")
    (directory / "report.html").write_text(_page(comparison, charts, colours), encoding="utf-8")
    (directory / "report.md").write_text(_markdown(comparison, charts), encoding="utf-8")
    _write_figures(comparison, directory)


def table(comparison: Comparison) -> str:
    """Return the result table as Markdown."""
    rows = [
        [row.scenario, row.system, *[f"**{cell.text}**" if cell.best else cell.text for cell in row.cells]]
        if row.cells
        else [row.scenario, row.system, "not run", *[NONE] * (len(COLUMNS) - 1)]
        for row in rows_of(comparison)
    ]
    return _markdown_table(["scenario", "system", *COLUMNS], rows, right=range(2, len(COLUMNS) + 1))


def verdict(comparison: Comparison) -> list[tuple[str, list[str]]]:
    """Return the parts of a sentence per scenario: fastest response, fastest outcome, and what else matters."""
    return [
        (scenario, _clauses(_runs(comparison, scenario)))
        for scenario in _scenarios(comparison)
        if _runs(comparison, scenario)
    ]


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
    name = f"Load test: {_and(_systems(comparison), 'or')}?"
    return name if comparison.holds else f"VIOLATED: {name}"


def rows_of(comparison: Comparison) -> list[Row]:
    """Return the result table: scenarios and systems in the order run."""
    rows = []
    for scenario in _scenarios(comparison):
        runs = _runs(comparison, scenario)
        best = {column: measure.leaders(runs) for column, measure in MEASURES.items()}
        for system in _systems(comparison):
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


def _clauses(runs: list[Run]) -> list[str]:
    clauses = [
        _soonest(runs, "accept", ("answers a click", "answer a click")),
        _soonest(runs, "outcome", ("tells the outcome", "tell the outcome")) + _no_gain(runs),
        _soonest(runs, "visit", ("serves a visitor", "serve a visitor")) or _most(runs),
    ]
    clauses += [
        f"{run.buyers - run.completed:,} of {run.buyers:,} buyers got no outcome from {run.system}"
        for run in runs
        if run.buyers - run.completed > LOST * run.buyers
    ]
    clauses += [f"{run.system} is not ranked, since its audit does not hold" for run in runs if not run.holds]
    return [clause for clause in clauses if clause]


def _soonest(runs: list[Run], latency: str, commands: tuple[str, str]) -> str:
    """Say which system is fastest at the 99th percentile, and at the median when that is another one."""

    def took(p: int, run: Run) -> str:
        return duration(getattr(run, latency).percentiles[p])

    ranking = _percentile(latency, 99).ranking(runs)
    if not ranking:
        return ""
    clause = _compared(
        ranking,
        commands,
        ("soonest", "equally soon"),
        lambda ahead: f"{_and([took(99, run) for run in ahead])} at p99",
        lambda run, times: f"{run.system} takes {_number(times)} times as long",
    )
    first = ranking[0][0]
    middle = _percentile(latency, 50).ranking(runs)
    sooner = middle[0][0]
    if any(run is first and times >= ALIKE for run, times in middle):
        clause += f", but at p50 {sooner.system} is ahead, {took(50, sooner)} against {took(50, first)}"
    return clause


def _most(runs: list[Run]) -> str:
    """Say which system completes most per second, and which share of its accepted purchases that is."""
    ranking = COMPLETED.ranking(runs)
    if not ranking:
        return ""

    def both(run: Run) -> str:
        limited = run.generator_limited
        completed, accepted = run.completed_per_second, run.accepted_per_second
        return f"{rate(completed, at_least=limited)}/s of {rate(accepted, at_least=limited)}/s accepted"

    def behind(run: Run, times: float) -> str:
        match ranking[0][0].generator_limited, run.generator_limited:
            case True, True:
                return f"{run.system} {both(run)}"
            case True, False:
                return f"at least {_number(times)} times {run.system}'s {both(run)}"
            case False, True:
                return f"at most {_number(times)} times {run.system}'s {both(run)}"
        return f"{_number(times)} times {run.system}'s {both(run)}"

    return _compared(
        ranking,
        ("completes", "complete"),
        ("most", "equally many"),
        lambda ahead: _and([both(run) for run in ahead]),
        behind,
    )


def _compared(
    ranking: list[tuple[Run, float]],
    commands: tuple[str, str],
    places: tuple[str, str],
    show: Callable[[list[Run]], str],
    behind: Callable[[Run, float], str],
) -> str:
    """Say which system is ahead or equal, and how far behind the others are; empty with one system."""
    ahead = [run for run, times in ranking if times < ALIKE]
    others = [behind(run, times) for run, times in ranking if times >= ALIKE]
    several = len(ahead) > 1
    place = f" {places[several]}" if len(ranking) > 1 else ""
    return f"{_and([run.system for run in ahead])} {commands[several]}{place} ({', '.join([show(ahead), *others])})"


def _no_gain(runs: list[Run]) -> str:
    """Say that the line's outcomes come no sooner, when another system is faster."""
    for p in (50, 99):
        measure = _percentile("outcome", p)
        leaders = [run.system for run in measure.leaders(runs)]
        ranked = [run.system for run, _ in measure.ranking(runs)]
        if OURS in ranked and len(ranked) > 1 and leaders != [OURS]:
            return f", no gain from {OURS}: buffering does not make slow work faster"
    return ""


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
            for scenario in _scenarios(comparison)
        ],
        "systems": [(system, colours[system], comparison.systems.get(system, "")) for system in _systems(comparison)],
        "choices": _choices(comparison),
        "legend": LEGEND,
        "not_given": NOT_GIVEN,
        "errors": _errors(comparison),
        "audited": [(run.scenario, run.system, run.audit) for run in _ordered(comparison)],
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
        "\n".join(f"- **{system}**: {comparison.systems.get(system, '')}" for system in _systems(comparison)),
        LEGEND,
    ]
    for scenario, drawn in charts.items():
        parts += [f"## {scenario}", comparison.scenarios.get(scenario, "")]
        parts += [f"![{chart.title}](charts/{chart.name}.png)\n\n{chart.reading}" for chart in drawn]
    choices = [[*words, "<br>".join(here)] for *words, here in _choices(comparison)]
    errors = _errors(comparison)
    audit = [
        [run.scenario, run.system, check.name, check.expected, check.found, _mark(holds=check.holds)]
        for run in _ordered(comparison)
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
    for system in _systems(comparison):
        here = [
            f"{run.scenario}: {rate(run.completed_per_second, at_least=run.generator_limited)} completed/s,"
            f" answer {_both(run.accept)}, outcome {_both(run.outcome)}"
            for run in _ordered(comparison)
            if run.system == system
        ]
        choices.append((system, *SUITS.get(system, (NONE, NONE)), here or ["not run"]))
    return choices


def _errors(comparison: Comparison) -> list[tuple[str, str, str, str]]:
    """Return where, what and how often, most frequent of a run first."""
    return [
        (run.scenario, run.system, error, f"{count:,}")
        for run in _ordered(comparison)
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
        for run in _ordered(comparison)
        if run.generator_limited
    ]
    return (
        f"Where the load generator was computing for {BUSY:.0%} of the time and more, or its last click came late by"
        f" {LATE:.0%} of the time that the answers took, it may have been the limit: rates are lower bounds, marked ≥,"
        " and times may be the generator's."
        f" That is so in {_and(limited) if limited else 'no run'}."
    )


def _write_figures(comparison: Comparison, directory: Path) -> None:
    """Write the figures as CSV."""
    runs = _ordered(comparison)
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


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    right = set(right)
    lines = [head, ["--:" if column in right else "---" for column in range(len(head))], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _scenarios(comparison: Comparison) -> list[str]:
    return list(dict.fromkeys([*comparison.scenarios, *(run.scenario for run in comparison.runs)]))


def _systems(comparison: Comparison) -> list[str]:
    return list(dict.fromkeys([*comparison.systems, *(run.system for run in comparison.runs)]))


def _runs(comparison: Comparison, scenario: str) -> list[Run]:
    systems = _systems(comparison)
    runs = [run for run in comparison.runs if run.scenario == scenario]
    return sorted(runs, key=lambda run: systems.index(run.system))


def _ordered(comparison: Comparison) -> list[Run]:
    return [run for scenario in _scenarios(comparison) for run in _runs(comparison, scenario)]


def _mark(*, holds: bool) -> str:
    return "✓" if holds else "✗"


def _number(times: float) -> str:
    return f"{times:,.0f}" if times >= 9.95 else f"{times:.1f}"  # noqa: PLR2004 (digits)


def _and(words: Sequence[str], word: str = "and") -> str:
    return f" {word} ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)
