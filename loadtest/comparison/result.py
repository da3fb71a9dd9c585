"""Results: the measurements of one run of one system as plain data, read by the report and kept in a file."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

PERCENTILES = (50, 90, 95, 99, 100)  #: percentiles; 100 is the maximum
BUSY = 0.85  #: a load generator that uses this share of its cores is the bottleneck
LATE = 0.2  #: so is one whose clicks are late by this share of the time all responses took


@dataclass(frozen=True, slots=True)
class Latency:
    """A distribution of durations, in milliseconds."""

    count: int
    percentiles: dict[int, float]  #: by percentile of `PERCENTILES`; empty when nothing was measured
    curve: list[tuple[float, float]]  #: (ms, share of all at or below it, 0-1), ascending, at most 200 points

    @classmethod
    def of(cls, milliseconds: Sequence[float], *, points: int = 200) -> Self:
        """Create from single measurements, in any order."""
        ordered = sorted(milliseconds)
        count = len(ordered)
        if not count:
            return cls(0, {}, [])
        percentiles = {p: ordered[max(0, -(-count * p // 100) - 1)] for p in PERCENTILES}  # nearest rank
        ranks = sorted({round(index * (count - 1) / max(1, points - 1)) for index in range(points)})
        return cls(count, percentiles, [(ordered[rank], (rank + 1) / count) for rank in ranks])


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the audit."""

    name: str  #: the condition, as a sentence
    expected: str
    found: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One system in one scenario. Times are seconds since the opening unless a name says otherwise."""

    system: str  #: name of a system (`loadtest.systems`)
    scenario: str  #: name of a scenario (`loadtest.comparison.scenarios`)
    buyers: int  #: number of buyers who clicked
    stock: int
    accepted: int  #: purchases answered with a promise (202) or an outcome (201, 409 sold out)
    accepted_seconds: float  #: time of the last of these responses
    completed: int  #: number of buyers who learned their outcome
    completed_seconds: float  #: time when the last of them did
    orders: int  #: orders in the ledger that hold a unit
    ordered_seconds: float  #: time when the last of them was committed
    accept: Latency  #: from click to the purchase's response
    outcome: Latency  #: from click to the outcome
    visit: Latency  #: pages and banners fetched by visitors during the rush
    generator_busy: float  #: share of its cores that the load generator used until the last purchase was answered, 0-1
    clicked_late_seconds: float  #: delay of the generator's last click against its plan
    errors: dict[str, int]  #: failures by name, as seen by the crowd
    undecided: list[tuple[float, int]]  #: (time, buyers who clicked and do not know their outcome)
    depth: list[tuple[float, int]]  #: (time, purchases waiting in line or in the broker's queue)
    audit: list[Check] = field(default_factory=list)

    @property
    def generator_limited(self) -> bool:
        """Return whether the load generator was the bottleneck. If so, rates are lower bounds."""
        return self.generator_busy >= BUSY or self.clicked_late_seconds > LATE * self.accepted_seconds

    @property
    def accepted_per_second(self) -> float:
        """Return purchases answered per second, from the opening to the last response."""
        return self.accepted / self.accepted_seconds if self.accepted_seconds > 0 else 0.0

    @property
    def completed_per_second(self) -> float:
        """Return outcomes learned per second, from the opening to the last one."""
        return self.completed / self.completed_seconds if self.completed_seconds > 0 else 0.0

    @property
    def orders_per_second(self) -> float:
        """Return orders committed per second, from the opening to the last commit."""
        return self.orders / self.ordered_seconds if self.ordered_seconds > 0 else 0.0

    @property
    def holds(self) -> bool:
        """Return whether every check of the audit holds; False for a run without an audit."""
        return bool(self.audit) and all(check.holds for check in self.audit)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All data of a report."""

    taken_at: str  #: ISO 8601, UTC
    command: str  #: the command that was run
    hardware: str  #: one line: cores, memory, kernel
    versions: str  #: one line: Python, Django, Celery, servers
    generator_per_second: (
        float  #: requests per second that the load generator alone completes against a constant response
    )
    scenarios: dict[str, str]  #: name -> one sentence that describes it, in the order run
    systems: dict[str, str]  #: name -> one sentence that describes it, in the order run
    runs: list[Run]

    @property
    def holds(self) -> bool:
        """Return whether every run's audit holds."""
        return bool(self.runs) and all(run.holds for run in self.runs)

    def write(self, path: Path) -> None:
        """Write the data to a file as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file written by `write`."""
        document = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**document, "runs": [_run(run) for run in document["runs"]]})


def _run(document: dict[str, Any]) -> Run:
    latencies = {name: _latency(document[name]) for name in ("accept", "outcome", "visit")}
    series = {name: [(when, number) for when, number in document[name]] for name in ("undecided", "depth")}
    return Run(**{**document, **latencies, **series, "audit": [Check(**check) for check in document["audit"]]})


def _latency(document: dict[str, Any]) -> Latency:
    percentiles = {int(p): float(ms) for p, ms in document["percentiles"].items()}
    return Latency(document["count"], percentiles, [(ms, share) for ms, share in document["curve"]])
