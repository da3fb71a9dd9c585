"""Our own load generators, each in a process of its own so that it can use a separate core."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devtools.embedded.shop import PROJECT
from loadtest.benchmark.pacer import Answers


class GeneratorError(RuntimeError):
    """A generator failed."""


def generate(module: str, *arguments: object) -> str:
    """Run ``loadtest.benchmark.MODULE`` and return its output. Raises GeneratorError."""
    with running(module, *arguments) as process:
        output, _ = process.communicate()
    if process.returncode:
        raise GeneratorError(f"{module} ended with {process.returncode}")
    return output


@contextmanager
def running(module: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Yield the running generator; end the process afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"loadtest.benchmark.{module}", *map(str, arguments)],
        cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def pace(port: int, *, rate: float, seconds: float, connections: int, requests: Path) -> Answers:
    """Run an open loop (`loadtest.benchmark.pacer`). Raises GeneratorError, also when the requests run out."""
    answers = Answers(**json.loads(generate("pacer", port, rate, seconds, connections, requests)))
    if answers.ran_out:
        raise GeneratorError("The requests ran out before the time was over: this number would be no measurement.")
    return answers
