"""The load generator's own ceiling: Locust against a constant response, on the web server that the line runs on."""

import csv
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from devtools.embedded.child import Child
from devtools.embedded.ports import free_port
from devtools.embedded.shop import PROJECT, WEB
from devtools.waiting import wait_until

USERS = 200
SECONDS = 6


def generator_per_second(directory: Path) -> float:
    """Return the requests per second that Locust completes on this machine. Files go to the directory."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    environment = {**os.environ, "BIND": f"127.0.0.1:{port}", "WEB_CONCURRENCY": "2", "VAR_DIR": str(directory)}
    with (directory / "ceiling.log").open("wb") as log:
        server = Child(
            [sys.executable, *WEB[:-1], "loadtest.constant:application"], cwd=PROJECT, env=environment, stdout=log
        )
        try:
            wait_until("the constant reply", lambda: _answers(address), 30)
            subprocess.run(
                [
                    *(sys.executable, "-m", "locust", "-f", "loadtest/crowd/caller.py", "--headless"),
                    *("--only-summary", "--host", address, "--users", str(USERS), "--spawn-rate", str(USERS)),
                    *("--run-time", str(SECONDS), "--csv", str(directory / "ceiling")),
                ],
                cwd=PROJECT, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
    with (directory / "ceiling_stats.csv").open(newline="", encoding="utf-8") as rows:
        return next(float(row["Requests/s"]) for row in csv.DictReader(rows) if row["Name"] == "constant")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1):  # noqa: S310 (our own address)
            return True
    except OSError:
        return False
