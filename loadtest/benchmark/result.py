"""Results of the bench: the findings of each round, and their summary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from loadtest.benchmark.costs import Costs


@dataclass(frozen=True, slots=True)
class Reading:
    """One row in one round."""

    per_second: float  #: requests, or orders
    p99_ms: float | None  #: None for orders, which have no response
    failed: int  #: requests with an unexpected response
    costs: Costs  #: of one request, purchase or order


@dataclass(frozen=True, slots=True)
class Findings:
    """The results of one or several measurements."""

    readings: dict[str, Reading] = field(default_factory=dict)  #: by the name of the row
    figures: dict[str, float] = field(default_factory=dict)  #: values that are not rates, by name

    def take(self, other: "Findings") -> None:
        """Add the results of another measurement."""
        self.readings.update(other.readings)
        self.figures.update(other.figures)


@dataclass(frozen=True, slots=True)
class Row:
    """A measured rate."""

    title: str
    against: str = ""  #: the corresponding row of the naive system


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value that is not a rate."""

    title: str
    unit: str


ROWS = {
    "constant": Row("a constant reply: the ceiling"),
    "accept": Row("line: purchase accepted", "naive_accept"),
    "accept_512": Row("line: accepted, 512 connections", "naive_accept"),
    "accept_1000": Row("line: accepted, 1,000 connections"),
    "accept_10000": Row("line: accepted, 10,000 connections"),
    "everysec": Row("line: accepted, log synced once a second"),
    "paced": Row("line: accepted, open loop at 70%"),
    "refused": Row("line: refused, sold out"),
    "poll_waiting": Row("line: poll of a waiting ticket"),
    "poll_decided": Row("line: poll of a decided ticket"),
    "progress": Row("line: progress"),
    "banners": Row("line: banner list"),
    "unchanged": Row("line: banner list, 304"),
    "sale_page": Row("line: sale page"),
    "pass": Row("line: pass"),
    "mixed": Row("line: mixed, as browsers do"),
    "endless": Row("line: accepted while all is written"),
    "endless_orders": Row("line: orders written meanwhile"),
    "busy": Row("line: accepted at a low rate, Django busy"),
    "settle": Row("line: orders written, one process", "naive_orders"),
    "settle_two": Row("line: orders written, two processes"),
    "settle_sqlite": Row("line: orders written, SQLite"),
    "sync": Row("sync: purchase with its order", "naive_accept"),
    "naive_accept": Row("naive: purchase accepted", "naive_accept"),
    "naive_orders": Row("naive: orders written", "naive_orders"),
}  #: in the order of the table

FIGURES = {
    "paced_most": Figure("most that the open loop's generator gets through", "/s"),
    "paced_p99": Figure("open loop at 70%: p99", "ms"),
    "disk_p99": Figure("the disk's own p99: 4 KiB appended and synced", "ms"),
    "always_cost": Figure("fewer accepted because each answer waits for the disk", "%"),
    "accept_10000_of_100": Figure("accepted over 10,000 connections, of that over 100", "%"),
    "two_of_one": Figure("orders written by two processes, times one", ""),
    "idle_p99": Figure("purchases at a low rate: p99, Django idle", "ms"),
    "busy_p99": Figure("purchases at a low rate: p99, Django busy", "ms"),
    "busy_times": Figure("p99 with Django busy, times idle", ""),
    "kib_connection": Figure("memory of the web processes, each connection", "KiB"),
    "bytes_buyer": Figure("memory of Valkey, each buyer in line", "bytes"),
    "short_line_cpu": Figure("CPU of a purchase, 1,000 in line", "µs"),
    "long_line_cpu": Figure("CPU of a purchase, 1,000,000 in line", "µs"),
    "long_line_times": Figure("CPU of a purchase, 1,000,000 in line, times 1,000", ""),
    "one_sale_cpu": Figure("CPU of a purchase, one open sale", "µs"),
    "many_sales_cpu": Figure("CPU of a purchase, 1,000 open sales", "µs"),
    "many_sales_times": Figure("CPU of a purchase, 1,000 open sales, times one", ""),
}  #: in the order of the table


@dataclass(frozen=True, slots=True)
class Summary:
    """One row over all rounds. Ratios are taken within a round, in which the machine was the same for both values."""

    per_second: float  #: the median, as all values here
    slowest: float
    fastest: float
    of_ceiling: float | None  #: None for orders, which are not requests
    of_naive: float | None
    p99_ms: float | None
    failed: int  #: in all rounds together
    costs: Costs

    @property
    def cpu_us(self) -> float:
        """Return µs of CPU, all processes of the servers together."""
        return sum(self.costs.cpu_us.values())


@dataclass(frozen=True, slots=True)
class Ratio:
    """One row or figure of today's code beside the baseline's."""

    baseline: float  #: median over the rounds
    now: float
    times: float | None  #: now / baseline: the median over the rounds; None when the baseline is 0
    lowest: float | None
    highest: float | None


Rounds = Sequence[Findings]


def summarise(rounds: Rounds) -> dict[str, Summary]:
    """Return all measured rows by name, in the order of the table."""
    readings = {name: [one.readings[name] for one in rounds if name in one.readings] for name in ROWS}
    return {name: _summary(name, several, rounds) for name, several in readings.items() if several}


def _summary(name: str, readings: Sequence[Reading], rounds: Rounds) -> Summary:
    speeds = [reading.per_second for reading in readings]
    waits = [reading.p99_ms for reading in readings if reading.p99_ms is not None]
    against = ROWS[name].against
    return Summary(
        per_second=median(speeds),
        slowest=min(speeds),
        fastest=max(speeds),
        of_ceiling=_within_rounds(rounds, name, "constant") if waits else None,
        of_naive=_within_rounds(rounds, name, against) if against else None,
        p99_ms=median(waits) if waits else None,
        failed=sum(reading.failed for reading in readings),
        costs=median_costs([reading.costs for reading in readings]),
    )


def _within_rounds(rounds: Rounds, name: str, other: str) -> float | None:
    ratios = [
        one.readings[name].per_second / one.readings[other].per_second
        for one in rounds
        if name in one.readings and other in one.readings and one.readings[other].per_second
    ]
    return median(ratios) if ratios else None


def derive(found: Findings) -> None:
    """Add the figures that compare two rows of one round."""
    for name, row, other, factor in (
        ("accept_10000_of_100", "accept_10000", "accept", 100),
        ("two_of_one", "settle_two", "settle", 1),
    ):
        if row in found.readings and other in found.readings and found.readings[other].per_second:
            found.figures[name] = factor * found.readings[row].per_second / found.readings[other].per_second


def figures(rounds: Rounds) -> dict[str, float]:
    """Return the median of each measured figure, in the order of the table."""
    return {
        name: median(several)
        for name in FIGURES
        if (several := [one.figures[name] for one in rounds if name in one.figures])
    }


def compare(baseline: Rounds, now: Rounds) -> dict[str, Ratio]:
    """Return each row and figure that both sides have in at least one round, compared round by round."""
    before, after = [_numbers(one) for one in baseline], [_numbers(one) for one in now]
    ratios = {}
    for name in (*ROWS, *FIGURES):
        pairs = [
            (one[name], other[name])
            for one, other in zip(before, after, strict=True)
            if name in one and name in other
        ]  # fmt: skip
        times = [other / one for one, other in pairs if one > 0 and other > 0]
        if pairs:
            ratios[name] = Ratio(
                baseline=median(one for one, _ in pairs),
                now=median(other for _, other in pairs),
                times=median(times) if times else None,
                lowest=min(times, default=None),
                highest=max(times, default=None),
            )
    return ratios


def _numbers(found: Findings) -> dict[str, float]:
    return {**{name: reading.per_second for name, reading in found.readings.items()}, **found.figures}


def median_costs(several: Sequence[Costs]) -> Costs:
    """Return the median of each cost. A cost missing in a round counts as 0 in that round."""
    return Costs(
        cpu_us=_medians([each.cpu_us for each in several]),
        redis_calls=_medians([each.redis_calls for each in several]),
        redis_kept=median(each.redis_kept for each in several),
        redis_received=median(each.redis_received for each in several),
        redis_sent=median(each.redis_sent for each in several),
    )


def _medians(several: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for each in several for name in each)
    return {name: median(each.get(name, 0.0) for each in several) for name in names}
