"""Rate: a limit per time window, such as ``60/min``."""

import re
from dataclasses import dataclass

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
RATE_RE = re.compile(r"([1-9][0-9]{0,8})/([smhd])[a-z]*")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``limit`` times in ``window_seconds``."""

    limit: int
    window_seconds: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Parse a rate such as ``60/min``: a number, at least 1, per s, min, h or d.

        Raises:
            ValueError: the text is not a rate.
        """
        match = RATE_RE.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a number, at least 1, per s, min, h or d, such as 60/min")
        return cls(int(match[1]), UNIT_SECONDS[match[2]])
