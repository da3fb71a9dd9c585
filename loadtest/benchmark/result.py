"""Results of the bench: readings, one for each row and round, and what they come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from loadtest.benchmark.costs import Costs


@dataclass(frozen=True, slots=True)
class Reading:
    """One row in one round."""

    per_second: float  #: requests, or orders
    p99_ms: float | None  #: None where nobody waits for an answer
    failed: int  #: requests that were not answered as they should be
    costs: Costs  #: of one request, purchase or order


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is measured."""

    title: str
    against: str = ""  #: the row of the naive system that does the same


ROWS = {
    "constant": Row("a constant reply: the ceiling"),
    "accept": Row("line: purchase accepted", "naive_accept"),
    "sync": Row("sync: purchase with its order", "naive_accept"),
    "naive_accept": Row("naive: purchase accepted", "naive_accept"),
    "settle": Row("line: orders written", "naive_orders"),
    "naive_orders": Row("naive: orders written", "naive_orders"),
    "poll_waiting": Row("line: poll of a waiting ticket"),
    "poll_decided": Row("line: poll of a decided ticket"),
    "banners": Row("line: banner list"),
    "sale_page": Row("line: sale page"),
}  #: in the order of the table


@dataclass(frozen=True, slots=True)
class Summary:
    """One row over all rounds. Ratios are taken within each round: then both had the same machine."""

    per_second: float  #: the median, as of everything else
    slowest: float
    fastest: float
    of_ceiling: float | None  #: None for orders, which are no requests
    of_naive: float | None
    p99_ms: float | None
    failed: int  #: in all rounds together
    costs: Costs

    @property
    def cpu_us(self) -> float:
        """µs of CPU, all processes of the servers together."""
        return sum(self.costs.cpu_us.values())


Rounds = Sequence[Mapping[str, Reading]]


def summarise(rounds: Rounds) -> dict[str, Summary]:
    """Every row, by name, in the order of the table."""
    return {name: _summary(name, row, rounds) for name, row in ROWS.items()}


def _summary(name: str, row: Row, rounds: Rounds) -> Summary:
    readings = [one[name] for one in rounds]
    speeds = [reading.per_second for reading in readings]
    waits = [reading.p99_ms for reading in readings if reading.p99_ms is not None]
    return Summary(
        per_second=median(speeds),
        slowest=min(speeds),
        fastest=max(speeds),
        of_ceiling=_ratio(rounds, name, "constant") if waits else None,
        of_naive=_ratio(rounds, name, row.against) if row.against else None,
        p99_ms=median(waits) if waits else None,
        failed=sum(reading.failed for reading in readings),
        costs=median_costs([reading.costs for reading in readings]),
    )


def _ratio(rounds: Rounds, name: str, other: str) -> float:
    ratios = [one[name].per_second / one[other].per_second for one in rounds if one[other].per_second]
    return median(ratios) if ratios else 0.0


def median_costs(several: Sequence[Costs]) -> Costs:
    """The median of each number; what is missing in a round counts as 0 there."""
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
