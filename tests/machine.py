"""Programs a machine may lack: install them, or report that something was not tested."""

import fcntl
import os
import subprocess
from pathlib import Path
from tempfile import gettempdir
from typing import NoReturn

import pytest

SECONDS_MAX = 600


def install(*packages: str) -> str:
    """Install packages with apt, as root on Debian. Return why it failed, or an empty string."""
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        return f"this is not root on Debian; there it would be: apt install {' '.join(packages)}"
    with (Path(gettempdir()) / "seckill-tests-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # `make test` runs tests in parallel, and apt does not wait for another apt
        return run("apt-get", "update") or run("apt-get", "install", "--yes", "--no-install-recommends", *packages)


def run(*command: str, seconds_max: float = SECONDS_MAX) -> str:
    """Run a program. Return why it failed, or an empty string."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # RUNLEVEL: no service is started
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=seconds_max
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return f"{' '.join(command[:3])} ended with {done.returncode}:\n{done.stderr[-500:]}" if done.returncode else ""


def lacks(reason: str) -> NoReturn:
    """Skip a test with a reason; fail it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
