"""The verdict on a comparison, derived from its numbers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from loadtest.comparison.charts import duration, rate
from loadtest.comparison.ordering import runs_in, scenarios_of
from loadtest.comparison.result import Comparison, Run

ALIKE = 1.1  #: figures within this factor count as equal


LOST = 0.01  #: a larger share of buyers without an outcome is part of the verdict


OURS = "line"  #: the system whose loss is explained


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


def percentile(latency: str, p: int) -> Measure:
    """Return a percentile of one of a run's latencies, by its name."""
    return Measure(lambda run: getattr(run, latency).percentiles.get(p))


COMPLETED = Measure(lambda run: run.completed_per_second or None, largest=True)


def verdict(comparison: Comparison) -> list[tuple[str, list[str]]]:
    """Return the parts of a sentence per scenario: fastest response, fastest outcome, and what else matters."""
    return [
        (scenario, _clauses(runs_in(comparison, scenario)))
        for scenario in scenarios_of(comparison)
        if runs_in(comparison, scenario)
    ]


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

    ranking = percentile(latency, 99).ranking(runs)
    if not ranking:
        return ""
    clause = _compared(
        ranking,
        commands,
        ("soonest", "equally soon"),
        lambda ahead: f"{joined([took(99, run) for run in ahead])} at p99",
        lambda run, times: f"{run.system} takes {_number(times)} times as long",
    )
    first = ranking[0][0]
    middle = percentile(latency, 50).ranking(runs)
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
        lambda ahead: joined([both(run) for run in ahead]),
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
    return f"{joined([run.system for run in ahead])} {commands[several]}{place} ({', '.join([show(ahead), *others])})"


def _no_gain(runs: list[Run]) -> str:
    """Say that the line's outcomes come no sooner, when another system is faster."""
    for p in (50, 99):
        measure = percentile("outcome", p)
        leaders = [run.system for run in measure.leaders(runs)]
        ranked = [run.system for run, _ in measure.ranking(runs)]
        if OURS in ranked and len(ranked) > 1 and leaders != [OURS]:
            return f", no gain from {OURS}: buffering does not make slow work faster"
    return ""


def _number(times: float) -> str:
    return f"{times:,.0f}" if times >= 9.95 else f"{times:.1f}"  # noqa: PLR2004 (digits)


def joined(words: Sequence[str], word: str = "and") -> str:
    """Return the words as a list in a sentence."""
    return f" {word} ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)
