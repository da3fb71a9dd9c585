"""The pass book: gives each buyer of this process a pass of its own.

Locust's master reads the file and distributes the passes when a test starts; other processes and machines need no copy.
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
    """The remaining passes of this process."""

    def __init__(self) -> None:
        self._passes: deque[str] = deque()
        self.kept = False  #: whether there is a file of passes; otherwise buyers register and fetch their own

    def take(self) -> str | None:
        """Return an unused pass; None when there is none left."""
        return self._passes.popleft() if self._passes else None

    def fill(self, passes: list[str]) -> None:
        """Add passes."""
        self.kept = True
        self._passes.extend(passes)

    def share(self, environment: Environment, file: Path) -> None:
        """Distribute the passes of the file: to a master's workers, or to this process if it runs alone."""
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
        """Receive passes from a master."""
        if isinstance(environment.runner, WorkerRunner):
            environment.runner.register_message(MESSAGE, self._received)

    def _received(self, environment: Environment, msg: Any, **_: object) -> None:  # noqa: ANN401, ARG002 (Locust's)
        self.fill(msg.data["passes"])
