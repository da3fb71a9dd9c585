"""Log rotation: one file per process name in ``SECKILL_LOG_DIR``, rotated once a day.

Processes write with `LogFile`, which checks before each line whether its file was renamed.
A process may check just before the rename and write just after it. So a file is renamed on one day and compressed on
the next.
"""

import fcntl
import gzip
import re
import shutil
from datetime import date
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path

from seckill import conf

ROTATED_FILES_MAX = conf.LOG_FILES_MAX
LOCK = ".rotation"
DAY_OF_FILE = re.compile(r"(?P<name>.+\.log)\.(?P<day>\d{4}-\d{2}-\d{2})(?P<compressed>\.gz)?")


class LogFile(WatchedFileHandler):
    """Python's handler for files that others rotate, which creates its directory when it opens the file."""

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()


def rotate(directory: Path, today: date) -> None:
    """Rename today's logs to ``NAME.log.DAY``, compress earlier ones, and delete all but `ROTATED_FILES_MAX` per name.

    Safe while processes write. Idempotent within a day; the next call completes an interrupted one.
    """
    with (directory / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one rotation at a time; the kernel releases the lock of a dead process
        for log in directory.glob("*.log"):
            _rename(log, today)
        for name, files in _rotated_files(directory).items():
            for file in files:
                if file.suffix != ".gz" and file.name != f"{name}.{today}":
                    _compress(file)
        for files in _rotated_files(directory).values():
            for file in files[:-ROTATED_FILES_MAX]:
                file.unlink()


def _rename(log: Path, today: date) -> None:
    away = log.with_name(f"{log.name}.{today}")
    if log.stat().st_size and not away.exists():
        log.rename(away)


def _compress(file: Path) -> None:
    done = file.with_name(f"{file.name}.gz")
    part = done.with_suffix(".part")
    with file.open("rb") as plain, gzip.open(part, "wb") as compressed:
        shutil.copyfileobj(plain, compressed)
    part.rename(done)
    file.unlink()


def _rotated_files(directory: Path) -> dict[str, list[Path]]:
    """Return the rotated files by log name, oldest first."""
    found: dict[str, list[Path]] = {}
    for file in sorted(directory.iterdir()):
        if match := DAY_OF_FILE.fullmatch(file.name):
            found.setdefault(match["name"], []).append(file)
    return found
