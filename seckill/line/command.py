"""Command: the call of a Lua script, as data."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")
INCLUDE = re.compile(r"^-- @include (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Command(Generic[T]):
    """The call of a Lua script. Every script replies with a list."""

    script: str  #: path of the Lua file
    keys: list[str]
    args: Sequence[int | str]
    parse_reply: Callable[[list[Any]], T]

    @property
    def source(self) -> str:
        """The script as Redis runs it, with the files it includes (``-- @include FILE``) before it."""
        return _read(self.script)


@cache
def _read(script: str) -> str:
    file = Path(script)
    text = file.read_text(encoding="utf-8")
    return "".join(_read(str(file.with_name(name))) for name in INCLUDE.findall(text)) + text
