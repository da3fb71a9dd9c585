"""wrk: the load generator of the bench, and the parser of its output."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parent / "wrk_scripts"
THREADS = 2
CONNECTIONS = 100
TIMEOUT_SECONDS = 30

NOT_INSTALLED = (
    "The load generator wrk is not installed: apt install wrk, or brew install wrk,"
    " or build it from https://github.com/wg/wrk."
)
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class WrkError(Exception):
    """wrk is missing, failed, or printed unexpected output."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The counts and latencies wrk printed."""

    requests: int  #: responses of any status
    per_second: float  #: responses per second
    p50_ms: float  #: median latency
    p99_ms: float
    refused: int  #: responses with status 400 or above
    broken: int  #: timeouts and broken connections

    @property
    def failed(self) -> int:
        """Return the number of failures, for measurements in which no request should be refused."""
        return self.refused + self.broken


def find() -> str:
    """Return the path of wrk. Raises WrkError with installation instructions."""
    found = shutil.which("wrk")
    if found is None:
        raise WrkError(NOT_INSTALLED)
    return found


def run(
    address: str, *, seconds: int, script: str | None = None, arguments: tuple[Path, ...] = (),
    connections: int = CONNECTIONS,
) -> Answers:  # fmt: skip
    """Run wrk for a number of seconds (closed loop). Raises WrkError."""
    done = subprocess.run(
        [
            *(find(), "--threads", str(THREADS), "--connections", str(connections), "--duration", f"{seconds}s"),
            *("--timeout", f"{TIMEOUT_SECONDS}s", "--latency"),
            *(("--script", str(SCRIPTS / script)) if script else ()),
            *(address, "--", *map(str, arguments)),
        ],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C goes to this process, which ends wrk
    )
    if done.returncode:
        raise WrkError(f"wrk ended with {done.returncode}: {done.stderr.strip()}")
    return parse(done.stdout)


def parse(text: str) -> Answers:
    """Parse the output of ``wrk --latency``. Raises WrkError when a number is missing or the passes ran out."""
    if "The passes ran out." in text:
        raise WrkError("The passes ran out before the time was over: this number would be no measurement.")
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Answers(
        requests=int(_number(r"^ +(\d+) requests in ", text)),
        per_second=float(_number(r"^Requests/sec: +([\d.]+) *$", text)),
        p50_ms=_milliseconds("50", text),
        p99_ms=_milliseconds("99", text),
        refused=int(refused[1]) if refused else 0,
        broken=sum(map(int, errors.groups())) if errors else 0,
    )


def _number(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise WrkError(f"wrk printed nothing like {pattern!r}:\n{text}")
    return found[1]


def _milliseconds(percentile: str, text: str) -> float:
    found = re.search(rf"^ +{percentile}% +([\d.]+)(us|ms|s|m) *$", text, re.MULTILINE)
    if found is None:
        raise WrkError(f"wrk printed no latency at {percentile}%:\n{text}")
    return float(found[1]) * MILLISECONDS[found[2]]
