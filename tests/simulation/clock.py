"""Clock: the one time used by everything in a simulation."""

from dataclasses import dataclass

# In milliseconds since 1970, UTC. An odd number: a time rounded on its way makes the worlds differ.
START_MS = 1_795_000_000_123


@dataclass
class Clock:
    """Stands still until it is moved."""

    now_ms: int = START_MS

    def advance(self, milliseconds: int) -> None:
        """Move the clock forward."""
        self.now_ms += milliseconds
