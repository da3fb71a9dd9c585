"""The pass book: passes handed out to the buyers of this process, each once.

The file is read where Locust's master runs, and shared out when a test starts: other processes and machines need no
copy of it.
"""

from collections import deque
from itertools import islice
from pathlib import Path
from typing import Any

from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

MESSAGE = "passes"
IN_ONE_MESSAGE = 5_000


class PassBook:
    """Passes this process has left."""

    def __init__(self) -> None:
        self._passes: deque[str] = deque()
        self.kept = False  #: whether there is a file of passes at all; else buyers register and ask for theirs

    def take(self) -> str | None:
        """A pass nobody else has; None when there is none left."""
        return self._passes.popleft() if self._passes else None

    def fill(self, passes: list[str]) -> None:
        """Add passes."""
        self.kept = True
        self._passes.extend(passes)

    def share(self, environment: Environment, file: Path) -> None:
        """Hand out the passes of the file: to the workers of a master, or to this process if it runs alone."""
        runner = environment.runner
        with file.open(encoding="ascii") as lines:
            passes = (line.strip() for line in lines)
            if isinstance(runner, LocalRunner):
                self.fill(list(passes))
            elif isinstance(runner, MasterRunner):
                workers = list(runner.clients)
                turn = 0
                while part := list(islice(passes, IN_ONE_MESSAGE // max(1, len(workers)))):
                    runner.send_message(MESSAGE, {"passes": part}, workers[turn % len(workers)])
                    turn += 1

    def listen(self, environment: Environment) -> None:
        """Take what a master hands out."""
        if isinstance(environment.runner, WorkerRunner):
            environment.runner.register_message(MESSAGE, self._received)

    def _received(self, environment: Environment, msg: Any, **_: object) -> None:  # noqa: ANN401, ARG002 (Locust's)
        self.fill(msg.data["passes"])
