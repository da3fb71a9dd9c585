"""``make bench``: ceilings and costs of the product, of the synchronous and of the naive way, measured in turn.

ROUNDS (3) and SECONDS (3, of each measurement) say how long; LEDGER=sqlite does without PostgreSQL. MILLION=1 sends
COUNT (1,000,000) purchases through the product instead, and audits the result. Results go to ``bench.json`` and
``bench.md`` (``million.json`` and ``million.md``) below VAR_DIR. Exit status: 0 when every request was answered and the
audit holds, 1 when not, 2 for a choice that is none or without wrk.
"""

import os
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import django
from rich.console import Console

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seckill.settings")
os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))  # the shops inherit it, so passes made here are good
django.setup()

# Passes and the line read models, which exist once Django is set up.
from loadtest.benchmark import wrk  # noqa: E402
from loadtest.benchmark.million import measure_million  # noqa: E402
from loadtest.benchmark.report import Facts, document, markdown, number, show, write  # noqa: E402
from loadtest.benchmark.result import ROWS, Reading, summarise  # noqa: E402
from loadtest.benchmark.round import SYSTEMS, Round  # noqa: E402
from loadtest.benchmark.stage import open_stage  # noqa: E402
from loadtest.machine import hardware, versions  # noqa: E402
from seckill.embedded.shop import PROJECT  # noqa: E402

ROUNDS_MIN = 3
SETTLED_ORDERS = 30_000
WARM_UP_SECONDS = 1
WARM_UP_ORDERS = 3_000
PRINTED_WIDTH = 120  #: columns, where there is no terminal
LEDGERS = ("postgres", "sqlite")


class ChoiceError(ValueError):
    """The environment asks for something that is not offered."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the environment asks for."""

    rounds: int
    seconds: int  #: of each measurement
    ledger: str
    million: bool
    count: int  #: purchases, where MILLION is chosen
    var: Path


def choose(environment: Mapping[str, str]) -> Choice:
    """Read the environment. Raises ChoiceError."""
    ledger = environment.get("LEDGER", "postgres")
    if ledger not in LEDGERS:
        raise ChoiceError(f"LEDGER has to be postgres or sqlite, not {ledger!r}.")
    return Choice(
        rounds=_at_least("ROUNDS", ROUNDS_MIN, environment.get("ROUNDS", "3")),
        seconds=_at_least("SECONDS", 1, environment.get("SECONDS", "3")),
        ledger=ledger,
        million=environment.get("MILLION") == "1",
        count=_at_least("COUNT", 1, environment.get("COUNT", "1000000")),
        var=Path(environment.get("VAR_DIR", PROJECT / "var")).resolve(),
    )


def _at_least(name: str, least: int, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise ChoiceError(f"{name} has to be a whole number of {least} or more, not {text!r}.")
    return int(text)


def main() -> int:
    """Measure what the environment asks for; the exit status."""
    console = Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH)
    try:
        choice = choose(os.environ)
        if not choice.million:
            wrk.find()
    except (ChoiceError, wrk.WrkError) as error:
        print(error, file=sys.stderr)
        return 2
    for sent in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sent, _stop)
    try:
        if not choice.million:
            return bench(console, choice)
        return measure_million(
            console, var=choice.var, ledger=choice.ledger, count=choice.count, command=command(os.environ)
        )
    except SystemExit as stopped:
        print("Stopped: nothing was written.", file=sys.stderr)
        return stopped.code if isinstance(stopped.code, int) else 1
    except (wrk.WrkError, TimeoutError, RuntimeError) as error:
        print(f"{error}\nThe logs are in {choice.var / 'bench'}.", file=sys.stderr)
        return 1


def _stop(sent: int, _frame: FrameType | None) -> None:
    """End everything, once: whoever is impatient must not interrupt that."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + sent)


def bench(console: Console, choice: Choice) -> int:
    """Measure all rows in turn, show and write them; the exit status."""
    taken_at = datetime.now(UTC).isoformat(timespec="seconds")
    directory = choice.var / "bench"
    console.print("Starting a server of each kind (about half a minute) …", highlight=False)
    rounds: list[dict[str, Reading]] = []
    with open_stage(directory, choice.ledger, SYSTEMS) as shops:
        measured = Round(shops, directory)
        measured.make_tickets()
        version = shops["line"].ledger_version()
        for turn in range(choice.rounds + 1):
            warm_up = turn == 0
            readings = measured.measure(
                seconds=WARM_UP_SECONDS if warm_up else choice.seconds,
                orders=WARM_UP_ORDERS if warm_up else SETTLED_ORDERS,
            )
            name = "warm-up" if warm_up else f"round {turn} of {choice.rounds}"
            done: dict[str, Reading] = {}
            for row, reading in readings:
                done[row] = reading
                failed = f", {reading.failed:,} FAILED" if reading.failed else ""
                console.print(
                    f"{name}: {ROWS[row].title}: {number(reading.per_second)}/s{failed}", highlight=False, markup=False
                )
            if not warm_up:
                rounds.append(done)
    summaries = summarise(rounds)
    facts = Facts(taken_at, command(os.environ), hardware(), versions(version))
    show(console, summaries, facts)
    write(choice.var, "bench", document(rounds, summaries, facts), markdown(summaries, facts))
    console.print(f"Written: {choice.var / 'bench.json'}, {choice.var / 'bench.md'}", highlight=False)
    lost = sum(summary.failed for summary in summaries.values())
    if lost:
        print(f"{lost:,} requests failed: the rows that say so are no measurements.", file=sys.stderr)
    return 1 if lost else 0


def command(environment: Mapping[str, str]) -> str:
    """What was called."""
    chosen = [f"{name}={environment[name]}" for name in ("ROUNDS", "SECONDS", "LEDGER", "MILLION", "COUNT")
              if name in environment]  # fmt: skip
    return " ".join(["make bench", *chosen])


if __name__ == "__main__":
    sys.exit(main())
