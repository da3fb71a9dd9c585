"""Results: what one run of one system measured, as plain data that the report reads and a file keeps."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

PERCENTILES = (50, 90, 95, 99, 100)  #: 100 is the slowest
BUSY = 0.85  #: a load generator that computes for so much of the time is the limit itself
LATE = 0.2  #: and so is one whose clicks come late by so much of the time that all the answers took


@dataclass(frozen=True, slots=True)
class Latency:
    """How long something took, in milliseconds."""

    count: int
    percentiles: dict[int, float]  #: of `PERCENTILES`; empty when nothing was measured
    curve: list[
        tuple[float, float]
    ]  #: (ms, share of all that took at most so long, 0-1), ascending, 200 points at most

    @classmethod
    def of(cls, milliseconds: Sequence[float], *, points: int = 200) -> Self:
        """From single measurements, in any order."""
        ordered = sorted(milliseconds)
        count = len(ordered)
        if not count:
            return cls(0, {}, [])
        percentiles = {p: ordered[max(0, -(-count * p // 100) - 1)] for p in PERCENTILES}  # nearest rank
        ranks = sorted({round(index * (count - 1) / max(1, points - 1)) for index in range(points)})
        return cls(count, percentiles, [(ordered[rank], (rank + 1) / count) for rank in ranks])


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the audit."""

    name: str  #: what has to hold, as a sentence
    expected: str
    found: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One system in one scenario. Times are seconds since the opening unless a name says otherwise."""

    system: str  #: name of a system (`loadtest.systems`)
    scenario: str  #: name of a scenario (`loadtest.comparison.scenarios`)
    buyers: int  #: who clicked
    stock: int
    accepted: int  #: purchases answered with a promise (202) or an outcome (201, 409 sold out)
    accepted_seconds: float  #: when the last of them was answered
    completed: int  #: buyers who know their outcome
    completed_seconds: float  #: when the last of them knew
    orders: int  #: in the ledger, holding a unit
    ordered_seconds: float  #: when the last of them was committed
    accept: Latency  #: from click to the purchase's answer
    outcome: Latency  #: from click to the outcome
    visit: Latency  #: pages and banners fetched by visitors who did not buy, while others did
    generator_busy: float  #: share of its cores that the load generator used until the last purchase was answered, 0-1
    clicked_late_seconds: float  #: how much later than planned the generator sent the last click
    errors: dict[str, int]  #: what went wrong, by name, as seen by the crowd
    undecided: list[tuple[float, int]]  #: (when, buyers who clicked and don't know their outcome yet)
    depth: list[tuple[float, int]]  #: (when, purchases waiting inside the system: in line, or in the broker's queue)
    audit: list[Check] = field(default_factory=list)

    @property
    def generator_limited(self) -> bool:
        """Whether the load generator could hardly have sent more: then rates are lower bounds."""
        return self.generator_busy >= BUSY or self.clicked_late_seconds > LATE * self.accepted_seconds

    @property
    def accepted_per_second(self) -> float:
        """Purchases answered per second, from the opening to the last answer."""
        return self.accepted / self.accepted_seconds if self.accepted_seconds > 0 else 0.0

    @property
    def completed_per_second(self) -> float:
        """Buyers told their outcome per second, from the opening to the last one told."""
        return self.completed / self.completed_seconds if self.completed_seconds > 0 else 0.0

    @property
    def orders_per_second(self) -> float:
        """Orders committed per second, from the opening to the last commit."""
        return self.orders / self.ordered_seconds if self.ordered_seconds > 0 else 0.0

    @property
    def holds(self) -> bool:
        """Whether every line of the audit holds; a run without an audit holds nothing."""
        return bool(self.audit) and all(check.holds for check in self.audit)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything a report needs."""

    taken_at: str  #: ISO 8601, UTC
    command: str  #: what was run
    hardware: str  #: one line: cores, memory, kernel
    versions: str  #: one line: Python, Django, Celery, servers
    generator_per_second: (
        float  #: requests per second that the load generator alone sends here, against a constant reply
    )
    scenarios: dict[str, str]  #: name -> one sentence that says what happens in it, in the order run
    systems: dict[str, str]  #: name -> one sentence that says what it is, in the order run
    runs: list[Run]

    @property
    def holds(self) -> bool:
        """Whether every run's audit holds."""
        return bool(self.runs) and all(run.holds for run in self.runs)

    def write(self, path: Path) -> None:
        """Keep it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` kept."""
        document = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**document, "runs": [_run(run) for run in document["runs"]]})


def _run(document: dict[str, Any]) -> Run:
    latencies = {name: _latency(document[name]) for name in ("accept", "outcome", "visit")}
    series = {name: [(when, number) for when, number in document[name]] for name in ("undecided", "depth")}
    return Run(**{**document, **latencies, **series, "audit": [Check(**check) for check in document["audit"]]})


def _latency(document: dict[str, Any]) -> Latency:
    percentiles = {int(p): float(ms) for p, ms in document["percentiles"].items()}
    return Latency(document["count"], percentiles, [(ms, share) for ms, share in document["curve"]])
