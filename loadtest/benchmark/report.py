"""The bench's tables, for the terminal and for a README, and all results as JSON."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from loadtest.benchmark.costs import Costs
from loadtest.benchmark.result import FIGURES, ROWS, Ratio, Rounds, Summary, compare, figures, summarise

NONE = "-"
HEAD = ("", "per second", "slowest to fastest", "of the ceiling", "times naive", "p99", "CPU µs")
COST_HEAD = ("one purchase costs", "line: accepted", "line: its order", "sync: with order", "naive: with order")
COST_ROWS = ("accept", "settle", "sync", "naive_accept")
#: Rows of the costs, and the processes that each adds up. Older revisions have one background process.
PARTS = {
    "web": ("web",),
    "worker": ("worker",),
    "background": ("background", "notifications", "exports", "host"),
    "beat": ("beat",),
    "valkey": ("valkey",),
    "postgres": ("postgres",),
}
LISTED_CALLS = 8
NOTHING = 0.01  #: smaller values are shown as zero

RATIO_HEAD = ("", "{baseline}", "now", "times", "from round to round")

NOTES = (
    "Medians over the rounds; ratios were taken within each round. p99: of 100 connections, each of which asks again"
    " as soon as it is answered; in the open loop, counted from when each was to be sent. CPU: all processes of the"
    " servers together, for one request; for a purchase, with all it leads to. What each row is:"
    " docs/reference/load-tests.md"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """The context of the numbers: machine, versions, command."""

    taken_at: str  #: ISO 8601, UTC
    command: str
    hardware: str
    versions: str
    left_out: str = ""  #: what was not measured, and why


Cells = Sequence[Sequence[str]]


def rows(summaries: Mapping[str, Summary]) -> Cells:
    """Return the main table without its header."""
    return [[ROWS[name].title, *_figures(summary)] for name, summary in summaries.items()]


def _figures(summary: Summary) -> list[str]:
    if summary.failed:
        return [f"{summary.failed:,} FAILED", *[NONE] * 5]
    return [
        number(summary.per_second),
        f"{number(summary.slowest)} to {number(summary.fastest)}",
        f"{number(100 * summary.of_ceiling)}%" if summary.of_ceiling is not None else NONE,
        number(summary.of_naive) if summary.of_naive is not None else NONE,
        f"{number(summary.p99_ms)} ms" if summary.p99_ms is not None else NONE,
        number(summary.cpu_us),
    ]


def cost_rows(summaries: Mapping[str, Summary]) -> Cells:
    """Return the cost of one purchase by process and in Redis, without the header; empty when not measured."""
    if not any(name in summaries for name in COST_ROWS):
        return []
    several = [summaries[name].costs if name in summaries else None for name in COST_ROWS]

    def line(title: str, figure: Callable[[Costs], float | None]) -> list[str]:
        values = [figure(each) if each is not None else None for each in several]
        return [title, *(NONE if value is None else number(value) for value in values)]

    return [
        *(line(f"CPU µs, {row}", lambda each, names=names: _cpu_us(each, names)) for row, names in PARTS.items()),  # type: ignore[misc]
        line("CPU µs, all", lambda each: sum(each.cpu_us.values())),
        line("Redis commands", lambda each: sum(each.redis_calls.values())),
        line("bytes to Redis", lambda each: each.redis_received),
        line("bytes from Redis", lambda each: each.redis_sent),
        line("bytes kept in Redis", lambda each: each.redis_kept),
    ]


def _cpu_us(costs: Costs, processes: Iterable[str]) -> float | None:
    """Return the CPU time of these processes together, or None if none of them was measured."""
    measured = [costs.cpu_us[name] for name in processes if name in costs.cpu_us]
    return sum(measured) if measured else None


def figure_rows(measured: Mapping[str, float]) -> Cells:
    """Return the table of figures without its header."""
    return [[FIGURES[name].title, _with_unit(value, name)] for name, value in measured.items()]


def ratio_rows(ratios: Mapping[str, Ratio]) -> Cells:
    """Return today's code beside the baseline's, without the header."""
    return [
        [
            ROWS[name].title if name in ROWS else FIGURES[name].title,
            _with_unit(ratio.baseline, name),
            _with_unit(ratio.now, name),
            NONE if ratio.times is None else f"{ratio.times:.2f}",
            NONE if ratio.times is None else f"{ratio.lowest:.2f} to {ratio.highest:.2f}",
        ]
        for name, ratio in ratios.items()
    ]


def _with_unit(value: float, name: str) -> str:
    unit = FIGURES[name].unit if name in FIGURES else "/s"
    return f"{number(value)} {unit}".strip()


def call_lines(summaries: Mapping[str, Summary]) -> list[str]:
    """Return the most frequent Redis commands of one purchase, for the line and for the naive system."""
    lines = []
    for name in ("accept", "naive_accept"):
        if name not in summaries:
            continue
        calls = sorted(summaries[name].costs.redis_calls.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{call} {number(count)}" for call, count in calls[:LISTED_CALLS] if count >= NOTHING)
        lines.append(f"Redis commands of one purchase, {ROWS[name].title.split(':')[0]}: {listed}, …")
    return lines


def number(value: float) -> str:
    """Format with three significant digits and no trailing zeros."""
    if abs(value) >= 100:  # noqa: PLR2004 (three digits)
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= NOTHING else "0"


@dataclass(frozen=True, slots=True)
class Result:
    """All results, ready to be shown."""

    now: Rounds
    facts: Facts
    baseline: Rounds = ()
    baseline_label: str = ""

    def tables(self) -> list[tuple[Sequence[str], Cells]]:
        """Return the headers and rows of all tables that have rows."""
        summaries = summarise(self.now)
        tables: list[tuple[Sequence[str], Cells]] = [(HEAD, rows(summaries)), (COST_HEAD, cost_rows(summaries))]
        if self.baseline:
            both = compare(self.baseline, self.now)
            head = [each.format(baseline=self.baseline_label) for each in RATIO_HEAD]
            tables.append((head, ratio_rows(both)))
            alone = {name: value for name, value in figures(self.now).items() if name not in both}
            tables.append((("", "now"), figure_rows(alone)))
        else:
            tables.append((("", ""), figure_rows(figures(self.now))))
        return [(head, cells) for head, cells in tables if cells]

    def lines(self) -> list[str]:
        """Return the lines shown below the tables."""
        return [*call_lines(summarise(self.now)), NOTES, *fact_lines(self.facts)]

    @property
    def failed(self) -> int:
        """Return the number of failed requests, both sides together."""
        several = [*summarise(self.now).values(), *summarise(self.baseline).values()]
        return sum(summary.failed for summary in several)

    def document(self) -> dict[str, object]:
        """Return all results as plain data."""
        found: dict[str, object] = {**asdict(self.facts), **_document(self.now)}
        if self.baseline:
            ratios = {name: asdict(ratio) for name, ratio in compare(self.baseline, self.now).items()}
            found |= {"baseline": {"revision": self.baseline_label, **_document(self.baseline)}, "ratios": ratios}
        return found

    def markdown(self) -> str:
        """Return the tables and the facts as Markdown."""
        return "\n\n".join([*(markdown_table(head, cells) for head, cells in self.tables()), *self.lines(), ""])


def show(console: Console, result: Result) -> None:
    """Print all results."""
    for head, cells in result.tables():
        table = Table(*head)
        for column in table.columns[1:]:
            column.justify = "right"
        for line in cells:
            table.add_row(*line)
        console.print(table)
    for text in result.lines():
        console.print(text, highlight=False, markup=False)


def fact_lines(facts: Facts) -> list[str]:
    """Return where, when and how the numbers were measured."""
    lines = [f"{facts.taken_at}: {facts.command}", f"{facts.hardware}.", f"{facts.versions}."]
    return [*([facts.left_out] if facts.left_out else []), *lines]


def write(directory: Path, name: str, document: Mapping[str, object], markdown: str) -> None:
    """Write ``NAME.json`` and ``NAME.md``."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (directory / f"{name}.md").write_text(markdown, encoding="utf-8")


def _document(rounds: Rounds) -> dict[str, object]:
    summaries = summarise(rounds)
    return {
        "rows": {name: {"title": ROWS[name].title, **asdict(summary)} for name, summary in summaries.items()},
        "figures": {
            name: {"title": FIGURES[name].title, "unit": FIGURES[name].unit, "value": value}
            for name, value in figures(rounds).items()
        },
        "rounds": [asdict(one) for one in rounds],
    }


def markdown_table(head: Sequence[str], cells: Cells) -> str:
    """Return a Markdown table. All columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
