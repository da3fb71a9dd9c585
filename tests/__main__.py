"""``python -m tests``: every test, on each database and broker, in three runs of pytest side by side.

The run on PostgreSQL and Valkey has every test, and prints to the terminal. The others repeat the tests whose code
differs by database or broker, and print into ``var/tests``. The last line counts all of them. WORKERS sets the number
of processes of the first run; most tests wait for other processes, so it is more than there are cores.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from devtools.embedded.child import Child
from devtools.embedded.shop import PROJECT

WORKERS = int(os.environ.get("WORKERS") or (os.cpu_count() or 1) + 2)
LOGS = PROJECT / "var" / "tests"


@dataclass(frozen=True)
class Run:
    """One run of pytest."""

    name: str
    workers: int
    paths: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def log(self) -> Path:
        """The file that its output goes to."""
        return LOGS / f"{self.name.lower()}.log"

    @property
    def results(self) -> Path:
        """The file that its counts come from (pytest's JUnit XML)."""
        return LOGS / f"{self.name.lower()}.xml"

    def command(self) -> list[str]:
        """Return the command line."""
        options = ["-n", str(self.workers), "--dist", "loadgroup", f"--junitxml={self.results}"]
        return [sys.executable, "-m", "pytest", "-q", *options, *self.paths]


EVERYTHING = Run("PostgreSQL", WORKERS)
BESIDE = (
    Run("RabbitMQ", 2, ("tests/cluster", "tests/tasks", "tests/workers"), (("BROKER", "rabbitmq"),)),
    Run(
        "SQLite",
        1,
        ("tests/orders", "tests/simulation/test_simulation.py"),
        (("DATABASE_URL", "sqlite:///ledger.sqlite3"),),
    ),
)


def main() -> int:
    """Run all; return 1 if a test failed anywhere."""
    began = time.monotonic()
    # A shell starts background jobs with SIGINT ignored, and so would be the programs that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    LOGS.mkdir(parents=True, exist_ok=True)
    runs = (*BESIDE, EVERYTHING)
    for run in runs:
        run.results.unlink(missing_ok=True)
    print(f"{WORKERS} processes; on {' and '.join(run.name for run in BESIDE)} meanwhile, into {LOGS} …", flush=True)
    with ExitStack() as stack:
        processes: dict[Run, Child] = {}
        for run in runs:
            log = None if run is EVERYTHING else stack.enter_context(run.log.open("wb"))
            environment = {**os.environ, **dict(run.environment)}
            processes[run] = Child(
                run.command(),
                cwd=PROJECT,
                env=environment,
                stdout=log,
                stderr=None if log is None else subprocess.STDOUT,
            )
        try:
            failed = [run for run in (EVERYTHING, *BESIDE) if processes[run].wait()]
        except KeyboardInterrupt:
            for process in processes.values():
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGINT)
                    process.wait()
            return 130
    for run in BESIDE:
        _show(run, whole=run in failed)
    print(_closing(runs, began), flush=True)
    return 1 if failed else 0


def _show(run: Run, *, whole: bool) -> None:
    """Print a run's last line, or everything."""
    text = run.log.read_text(errors="replace").rstrip()
    print(f"On {run.name}: {text if whole else text.splitlines()[-1] if text else 'no output'}")


def _closing(runs: tuple[Run, ...], began: float) -> str:
    """Return the counts of all runs, in the form of pytest's own closing line."""
    counts: Counter[str] = Counter()
    each = []
    for run in runs:
        found = read_counts(run.results)
        counts += found
        each.append(f"{found.total()} on {run.name}")
    told = ", ".join(f"{counts[what]} {what}" for what in ("failed", "error", "passed", "skipped") if counts[what])
    return f"===== {told or 'no tests ran'} in {time.monotonic() - began:.0f}s ({', '.join(each)}) ====="


def read_counts(results: Path) -> Counter[str]:
    """Return how many tests passed, failed and so on; nothing for a run that wrote no results."""
    if not results.exists():
        return Counter()
    suites = list(ET.parse(results).getroot().iter("testsuite"))  # noqa: S314 (our own file)
    sums = {
        name: sum(int(suite.get(name, "0")) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    }
    passed = sums["tests"] - sums["failures"] - sums["errors"] - sums["skipped"]
    return Counter(passed=passed, failed=sums["failures"], error=sums["errors"], skipped=sums["skipped"])


if __name__ == "__main__":
    sys.exit(main())
