"""Shapes: the number of buyers over time."""

from argparse import Namespace
from typing import TYPE_CHECKING

from locust import LoadTestShape
from locust.runners import MasterRunner

if TYPE_CHECKING:
    from locust.stats import StatsEntry

Tick = tuple[int, float] | None
RAMP_STEPS = 20  #: steps in which the ramp rises to --users purchases a second
RAMP_STEP_SECONDS = 8
P99_MS_MAX = 500
ERRORS_MAX = 0.01


class Shape(LoadTestShape):
    """The load shape selected by ``--shape``."""

    use_common_options = True

    def __init__(self) -> None:
        super().__init__()
        self._came = 0  # maximum of buyers seen: buyers come, and leave when they are through
        self._step = 0

    def tick(self) -> Tick:
        """Return (users, users started per second), or None at the end. Locust calls this once a second."""
        assert self.runner is not None  # noqa: S101 (for the type checker)
        options = self.runner.environment.parsed_options
        assert options is not None  # noqa: S101 (for the type checker)
        if options.run_time and self.get_run_time() > options.run_time:
            return None
        return {"flash": self._flash, "soak": self._soak, "ramp": self._ramp}[options.shape](options)

    def _flash(self, options: Namespace) -> Tick:
        """All buyers arrive before the opening and leave when they are through."""
        buyers = self._buyers()
        if buyers == 0 and self._came:
            return None
        self._came = max(self._came, buyers)
        return options.num_users, options.spawn_rate

    def _soak(self, options: Namespace) -> Tick:
        """A fixed number of buyers at a time, each replaced when through."""
        if self._came and self._buyers() == 0:  # no pass is left
            return None
        self._came = max(self._came, self._buyers())
        return options.num_users, options.spawn_rate

    def _ramp(self, options: Namespace) -> Tick:
        """Each buyer purchases once a second; buyers are added until responses get slow or fail."""
        step = int(self.get_run_time() // RAMP_STEP_SECONDS)
        if step > self._step:
            if self._breaks() or step >= RAMP_STEPS:
                return None
            self._step = step
            assert self.runner is not None  # noqa: S101 (for the type checker)
            self.runner.stats.reset_all()
        users = max(1, options.num_users * (self._step + 1) // RAMP_STEPS)
        return users, users

    def _breaks(self) -> bool:
        """Print the result of the last step; return whether it broke a limit."""
        assert self.runner is not None  # noqa: S101 (for the type checker)
        entry: StatsEntry = self.runner.stats.get("purchase", "POST")
        p99_ms = entry.get_response_time_percentile(0.99) or 0
        rate = entry.num_requests / RAMP_STEP_SECONDS
        broken = p99_ms > P99_MS_MAX or entry.fail_ratio > ERRORS_MAX
        print(
            f"ramp: {rate:.0f} purchases/s, p99 {p99_ms:.0f} ms, {entry.fail_ratio:.1%} errors"
            f"{': this is where it breaks' if broken else ''}",
            flush=True,
        )
        return broken

    def _buyers(self) -> int:
        runner = self.runner
        assert runner is not None  # noqa: S101 (for the type checker)
        counts = runner.reported_user_classes_count if isinstance(runner, MasterRunner) else runner.user_classes_count
        return int(counts.get("Buyer", 0))
