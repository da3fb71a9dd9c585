"""Clock: the one time that everything in a simulation goes by."""

from dataclasses import dataclass

# In milliseconds since 1970, UTC. An odd number: where a time is rounded on its way, the worlds differ.
START_MS = 1_795_000_000_123


@dataclass
class Clock:
    """Stands still until it is moved."""

    now_ms: int = START_MS

    def advance(self, milliseconds: int) -> None:
        """Let time pass."""
        self.now_ms += milliseconds
