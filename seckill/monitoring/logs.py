"""Log files: one a process' name below ``LOG_DIR``, put away once a day.

Processes write with `logging.handlers.WatchedFileHandler`, which looks before each line whether its file still bears
its name. A line may be on its way into the old file while that is renamed; nobody looks that late again. So a file is
renamed on one day and compressed on the next.
"""

import fcntl
import gzip
import re
import shutil
from datetime import date
from pathlib import Path

RETENTION_DAYS = 7  #: days of each log
LOCK = ".rotation"
DAY_OF_FILE = re.compile(r"(?P<name>.+\.log)\.(?P<day>\d{4}-\d{2}-\d{2})(?P<compressed>\.gz)?")


def rotate(directory: Path, today: date) -> None:
    """Put today's logs away as ``NAME.log.DAY``, compress those of other days, and keep `RETENTION_DAYS` of each name.

    Safe while others write. The second time on a day changes nothing; broken off at any point, the next time goes on.
    """
    with (directory / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time; a process that dies lets go
        for log in directory.glob("*.log"):
            _rename(log, today)
        for name, files in _put_away(directory).items():
            for file in files:
                if file.suffix != ".gz" and file.name != f"{name}.{today}":
                    _compress(file)
        for files in _put_away(directory).values():
            for file in files[:-RETENTION_DAYS]:
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


def _put_away(directory: Path) -> dict[str, list[Path]]:
    """The files of former days by the log's name, oldest first."""
    found: dict[str, list[Path]] = {}
    for file in sorted(directory.iterdir()):
        if match := DAY_OF_FILE.fullmatch(file.name):
            found.setdefault(match["name"], []).append(file)
    return found
