"""Rounds of the bench: every selected measurement, on each side in turn."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from loadtest.benchmark import accepting, serving, settling, waiting
from loadtest.benchmark.result import Findings
from loadtest.benchmark.side import Side

Measure = Callable[[Side, int], Findings]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measurement on one side, for a number of seconds."""

    measure: Measure
    shop: str = "line"  #: what it measures
    once: bool = False  #: slow, or leaves much data behind: taken once after the rounds, without a warm-up


MEASUREMENTS = {
    "constant": Measurement(serving.constant, "constant"),
    "accept": Measurement(accepting.accept),
    "accept_512": Measurement(accepting.accept_512),
    "connections": Measurement(accepting.connections),
    "log": Measurement(accepting.log),
    "paced": Measurement(waiting.paced),
    "refused": Measurement(serving.refused),
    "poll_waiting": Measurement(serving.poll_waiting),
    "poll_decided": Measurement(serving.poll_decided),
    "progress": Measurement(serving.progress),
    "banners": Measurement(serving.banners),
    "unchanged": Measurement(serving.unchanged),
    "sale_page": Measurement(serving.sale_page),
    "pass": Measurement(serving.passes),
    "mixed": Measurement(serving.Mixed()),
    "endless": Measurement(accepting.endless),
    "settle": Measurement(settling.settle),
    "settle_sqlite": Measurement(settling.settle_sqlite, "sqlite"),
    "busy": Measurement(waiting.busy),
    "sync": Measurement(accepting.sync, "sync"),
    "naive": Measurement(accepting.naive, "naive"),
    "memory": Measurement(waiting.memory, once=True),
    "growth": Measurement(accepting.growth, once=True),
}  #: by name in ROWS, in the order they are taken


def shops_of(names: Sequence[str]) -> set[str]:
    """Return the shops these measurements need."""
    return {MEASUREMENTS[name].shop for name in names}


def take(sides: Sequence[Side], names: Sequence[str], *, seconds: int, once: bool) -> Iterator[tuple[Side, Findings]]:
    """Yield side and findings, one after the other: measurements of the rounds, or those taken ``once``.

    The sides alternate at every measurement, so that both ran on the machine in the same state.
    """
    for name in names:
        measurement = MEASUREMENTS[name]
        if measurement.once != once:
            continue
        for side in sides:
            if measurement.shop in side.shops:
                yield side, measurement.measure(side, seconds)
