"""``make bench``: measure throughput and costs of the product, the synchronous system and the naive system in turn.

ROWS (comma-separated names) selects the measurements. ROUNDS (default 3) is the number of rounds and SECONDS (default
3) the length of each measurement. LEDGER=sqlite runs without PostgreSQL. BASELINE=REVISION also measures that revision
of this repository, in the same rounds. MILLION=1 instead sends COUNT (default 1,000,000) purchases through the product
and audits the result. Results are written to ``bench.json`` and ``bench.md`` (``million.json``, ``million.md`` and a
chart) in SECKILL_VAR_DIR. Exit status: 0 when every request was answered and the audit holds, 1 when not, 2 when a
setting is invalid or wrk is missing.
"""

import os
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console

from devtools.embedded.shop import PROJECT
from loadtest.benchmark import wrk
from loadtest.benchmark.million import measure_million
from loadtest.benchmark.open_files import limit, raise_limit
from loadtest.benchmark.report import Facts, Result, number, show, write
from loadtest.benchmark.result import FIGURES, ROWS, Findings, derive
from loadtest.benchmark.revision import NOW, Revision, RevisionError, set_up
from loadtest.benchmark.round import MEASUREMENTS, shops_of, take
from loadtest.benchmark.shop import constant_of, line_of
from loadtest.benchmark.side import Side
from loadtest.benchmark.stage import Cast, open_stage
from loadtest.benchmark.waiting import VERY_MANY, can_open
from loadtest.machine import hardware, versions
from loadtest.systems import NAIVE, SYNC

ROUNDS_MIN = 1
WARM_UP_SECONDS = 1
PRINTED_WIDTH = 120  #: columns, when stdout is no terminal
LEDGERS = ("postgres", "sqlite")
CHOICES = ("BASELINE", "ROWS", "ROUNDS", "SECONDS", "LEDGER", "MILLION", "COUNT")


class ChoiceError(ValueError):
    """The environment contains an invalid setting."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings read from the environment."""

    rows: tuple[str, ...]  #: names of measurements
    baseline: str  #: a git revision, or empty
    rounds: int
    seconds: int  #: of each measurement
    ledger: str
    million: bool
    count: int  #: purchases, with MILLION=1
    var: Path


def choose(environment: Mapping[str, str]) -> Choice:
    """Read the settings from the environment. Raises ChoiceError."""
    ledger = environment.get("LEDGER", "postgres")
    if ledger not in LEDGERS:
        raise ChoiceError(f"LEDGER has to be postgres or sqlite, not {ledger!r}.")
    return Choice(
        rows=_rows(environment.get("ROWS", "")),
        baseline=environment.get("BASELINE", ""),
        rounds=_at_least("ROUNDS", ROUNDS_MIN, environment.get("ROUNDS", "3")),
        seconds=_at_least("SECONDS", 1, environment.get("SECONDS", "3")),
        ledger=ledger,
        million=environment.get("MILLION") == "1",
        count=_at_least("COUNT", 1, environment.get("COUNT", "1000000")),
        var=Path(environment.get("SECKILL_VAR_DIR", PROJECT / "var")).resolve(),
    )


def _rows(text: str) -> tuple[str, ...]:
    """Return the named measurements in their fixed order, or all when no name is given."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in MEASUREMENTS:
            raise ChoiceError(f"ROWS: there is no {name!r}. Choose from {', '.join(MEASUREMENTS)}.")
    return tuple(name for name in MEASUREMENTS if name in names or not names)


def _at_least(name: str, least: int, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise ChoiceError(f"{name} has to be a whole number of {least} or more, not {text!r}.")
    return int(text)


def main() -> int:
    """Run what the environment selects; return the exit status."""
    console = Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH)
    for sent in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sent, _stop)
    try:
        choice = choose(os.environ)
        if not choice.million:
            wrk.find()
        revisions = _revisions(choice)
    except (ChoiceError, RevisionError, wrk.WrkError) as error:
        print(error, file=sys.stderr)
        return 2
    os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))  # the shops inherit the limit
    raise_limit()
    try:
        if not choice.million:
            return bench(console, choice, revisions)
        return measure_million(
            console, revisions, var=choice.var, ledger=choice.ledger, count=choice.count, command=command(os.environ)
        )
    except SystemExit as stopped:
        print("Stopped: nothing was written.", file=sys.stderr)
        return stopped.code if isinstance(stopped.code, int) else 1
    except (wrk.WrkError, OSError, RuntimeError) as error:
        print(f"{error}\nThe logs are in {choice.var / 'bench'}.", file=sys.stderr)
        return 1


def _stop(sent: int, _frame: FrameType | None) -> None:
    """Close everything, ignoring further interrupts so that the clean-up is complete."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + sent)


def _revisions(choice: Choice) -> list[Revision]:
    """Return the revisions to measure: the baseline, if there is one, and today's code. Raises RevisionError."""
    if not choice.baseline:
        return [NOW]
    return [set_up(choice.baseline, project=PROJECT, directory=choice.var / "revisions"), NOW]


def bench(console: Console, choice: Choice, revisions: Sequence[Revision]) -> int:
    """Run the selected measurements in turn, print and write the results; return the exit status."""
    taken_at = datetime.now(UTC).isoformat(timespec="seconds")
    directory = choice.var / "bench"
    console.print("Starting a server of each kind (about half a minute) …", highlight=False)
    with open_stage(directory, _cast(choice, revisions)) as stage:
        sides = [Side(label, shops, directory) for label, shops in stage.items()]
        found = measure(console, choice, sides)
        version = next(iter(stage[NOW.label].values())).ledger_version()
    left_out = "" if can_open(VERY_MANY) else _too_few_files()
    facts = Facts(taken_at, command(os.environ), hardware(), versions(version), left_out)
    now = found.pop(NOW.label)
    label, baseline = next(iter(found.items()), ("", []))
    result = Result(now, facts, baseline, label)
    show(console, result)
    write(choice.var, "bench", result.document(), result.markdown())
    console.print(f"Written: {choice.var / 'bench.json'}, {choice.var / 'bench.md'}", highlight=False)
    if result.failed:
        print(f"{result.failed:,} requests failed: the rows that say so are no measurements.", file=sys.stderr)
    return 1 if result.failed else 0


def _cast(choice: Choice, revisions: Sequence[Revision]) -> Cast:
    """Return the shops to start. The sync and naive systems do not depend on the revision and are measured once."""
    needed = shops_of(choice.rows)
    cast: Cast = {}
    for revision in revisions:
        shops = {"constant": constant_of(revision), "line": line_of(revision)}
        if revision is NOW:
            shops |= {"sync": SYNC, "naive": NAIVE}
        cast[revision] = [(name, system, choice.ledger) for name, system in shops.items() if name in needed]
        if "sqlite" in needed:
            cast[revision].append(("sqlite", line_of(revision), "sqlite"))
    return cast


def _too_few_files() -> str:
    return f"10,000 connections need more open files than the {limit():,.0f} that are allowed here (ulimit -Hn)."


def measure(console: Console, choice: Choice, sides: Sequence[Side]) -> dict[str, list[Findings]]:
    """Run a warm-up, the rounds, and the measurements taken once. Return the findings of each round by side label."""
    found: dict[str, list[Findings]] = {side.label: [] for side in sides}
    for turn in range(choice.rounds + 1):
        warm_up = turn == 0
        this_round = {side.label: Findings() for side in sides}
        title = "warm-up" if warm_up else f"round {turn} of {choice.rounds}"
        # The order of the sides changes from round to round.
        ordered = sides if turn % 2 else sides[::-1]
        seconds = WARM_UP_SECONDS if warm_up else choice.seconds
        for side, findings in take(ordered, choice.rows, seconds=seconds, once=False):
            this_round[side.label].take(findings)
            _tell(console, f"{title}, {side.label}", findings)
        if not warm_up:
            for label, findings in this_round.items():
                derive(findings)
                found[label].append(findings)
    for side, findings in take(sides, choice.rows, seconds=choice.seconds, once=True):
        found[side.label][-1].take(findings)
        _tell(console, f"once, {side.label}", findings)
    return found


def _tell(console: Console, when: str, findings: Findings) -> None:
    for row, reading in findings.readings.items():
        failed = f", {reading.failed:,} FAILED" if reading.failed else ""
        text = f"{when}: {ROWS[row].title}: {number(reading.per_second)}/s{failed}"
        console.print(text, highlight=False, markup=False)
    for name, value in findings.figures.items():
        figure = FIGURES[name]
        console.print(f"{when}: {figure.title}: {number(value)} {figure.unit}", highlight=False, markup=False)


def command(environment: Mapping[str, str]) -> str:
    """Return the command line that was run."""
    return " ".join(["make bench", *(f"{name}={environment[name]}" for name in CHOICES if name in environment)])


if __name__ == "__main__":
    sys.exit(main())
