"""The bench's tables: for the terminal, for a README, and everything as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from loadtest.benchmark.result import ROWS, Rounds, Summary

NONE = "-"
HEAD = ("", "per second", "slowest to fastest", "of the ceiling", "times naive", "p99", "CPU µs")
COST_HEAD = ("one purchase costs", "line: accepted", "line: its order", "sync: with order", "naive: with order")
COST_ROWS = ("accept", "settle", "sync", "naive_accept")
PARTS = ("web", "worker", "chores", "beat", "valkey", "postgres")
LISTED_CALLS = 8
NOTHING = 0.01  #: what is less is nothing here

NOTES = (
    "Medians over the rounds; ratios were taken within each round. p99: of 100 connections, each of which asks again as"
    " soon as it is answered. CPU: all processes of the servers together, for one request; for a purchase, with all it"
    " leads to. Line: a purchase is accepted into a sale of 100 units; orders are written for 30,000 buyers who are in"
    " line already. Naive: orders are counted from the first purchase until all have theirs."
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What makes a number worth something."""

    taken_at: str  #: ISO 8601, UTC
    command: str
    hardware: str
    versions: str


Cells = Sequence[Sequence[str]]


def rows(summaries: Mapping[str, Summary]) -> Cells:
    """The main table, without its head."""
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
    """What one purchase costs, by process, and in Redis; without its head."""
    several = [summaries[name].costs for name in COST_ROWS]
    return [
        *(
            [f"CPU µs, {part}", *(number(each.cpu_us[part]) if part in each.cpu_us else NONE for each in several)]
            for part in PARTS
        ),
        ["CPU µs, all", *(number(sum(each.cpu_us.values())) for each in several)],
        ["Redis commands", *(number(sum(each.redis_calls.values())) for each in several)],
        ["bytes to Redis", *(number(each.redis_received) for each in several)],
        ["bytes from Redis", *(number(each.redis_sent) for each in several)],
        ["bytes kept in Redis", *(number(each.redis_kept) for each in several)],
    ]


def call_lines(summaries: Mapping[str, Summary]) -> list[str]:
    """The most frequent Redis commands of one purchase, for the line and for the naive system."""
    lines = []
    for name in ("accept", "naive_accept"):
        calls = sorted(summaries[name].costs.redis_calls.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{call} {number(count)}" for call, count in calls[:LISTED_CALLS] if count >= NOTHING)
        lines.append(f"Redis commands of one purchase, {ROWS[name].title.split(':')[0]}: {listed}, …")
    return lines


def number(value: float) -> str:
    """Three digits that count, and no more zeros behind the point."""
    if abs(value) >= 100:  # noqa: PLR2004 (three digits)
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= NOTHING else "0"


def show(console: Console, summaries: Mapping[str, Summary], facts: Facts) -> None:
    """Print everything."""
    for head, cells in ((HEAD, rows(summaries)), (COST_HEAD, cost_rows(summaries))):
        table = Table(*head)
        for column in table.columns[1:]:
            column.justify = "right"
        for line in cells:
            table.add_row(*line)
        console.print(table)
    for line in (*call_lines(summaries), NOTES, *fact_lines(facts)):
        console.print(line, highlight=False, markup=False)


def fact_lines(facts: Facts) -> list[str]:
    """Where, when and how."""
    return [f"{facts.taken_at}: {facts.command}", f"{facts.hardware}.", f"{facts.versions}."]


def write(directory: Path, name: str, document: Mapping[str, object], markdown: str) -> None:
    """Write ``NAME.json`` and ``NAME.md``."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (directory / f"{name}.md").write_text(markdown, encoding="utf-8")


def document(rounds: Rounds, summaries: Mapping[str, Summary], facts: Facts) -> dict[str, object]:
    """Everything, as plain data."""
    return {
        **asdict(facts),
        "rows": {name: {"title": ROWS[name].title, **asdict(summary)} for name, summary in summaries.items()},
        "rounds": [{name: asdict(reading) for name, reading in one.items()} for one in rounds],
    }


def markdown(summaries: Mapping[str, Summary], facts: Facts) -> str:
    """Both tables and the facts."""
    return "\n\n".join(
        [
            markdown_table(HEAD, rows(summaries)),
            markdown_table(COST_HEAD, cost_rows(summaries)),
            *call_lines(summaries),
            NOTES,
            *fact_lines(facts),
            "",
        ]
    )


def markdown_table(head: Sequence[str], cells: Cells) -> str:
    """A table; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
