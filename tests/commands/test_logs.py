"""Log files are rotated once a day, while several processes write to them."""

import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from devtools.embedded.shop import PROJECT
from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from seckill.monitoring import logs
from seckill.monitoring.logs import rotate

TODAY = date(2026, 11, 11)
WRITERS = 4
WRITER = """
import itertools, logging.config, os, sys
from django.conf import settings
logging.config.dictConfig(settings.LOGGING)
for number in itertools.count():
    if os.path.exists(sys.argv[2]):
        break
    logging.getLogger().warning("line %s of %s", number, sys.argv[1])
print(number)
"""


def day(number: int) -> date:
    """Return the date ``number`` days after TODAY."""
    return TODAY + timedelta(days=number)


def files(directory: Path) -> dict[str, str]:
    """Return every log's content by its name."""
    return {
        file.name: gzip.decompress(file.read_bytes()).decode() if file.suffix == ".gz" else file.read_text()
        for file in sorted(directory.iterdir())
        if file.name != logs.LOCK
    }


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The directory of the logs."""
    directory = tmp_path / "logs"
    directory.mkdir()
    return directory


def test_a_file_is_renamed_on_its_day_and_compressed_on_the_next(directory: Path) -> None:
    (directory / "web.log").write_text("monday\n")
    (directory / "beat.log").write_text("")

    rotate(directory, day(0))
    assert files(directory) == {"beat.log": "", "web.log.2026-11-11": "monday\n"}

    (directory / "web.log").write_text("tuesday\n")
    rotate(directory, day(1))
    assert files(directory) == {
        "beat.log": "",
        "web.log.2026-11-11.gz": "monday\n",
        "web.log.2026-11-12": "tuesday\n",
    }


def test_twice_on_a_day_changes_nothing(directory: Path) -> None:
    (directory / "web.log").write_text("in the morning\n")
    rotate(directory, day(0))
    (directory / "web.log").write_text("in the evening\n")
    once = files(directory)

    rotate(directory, day(0))

    assert files(directory) == once == {"web.log": "in the evening\n", "web.log.2026-11-11": "in the morning\n"}


def test_the_last_seven_of_each_name_are_kept(directory: Path) -> None:
    (directory / "nginx.conf").write_text("no log")
    (directory / "beat.log").write_text("of old\n")
    for number in range(10):
        (directory / "web.log").write_text(f"{number}\n")
        rotate(directory, day(number))

    kept = files(directory)
    assert kept.pop("nginx.conf") == "no log"
    assert kept.pop("beat.log.2026-11-11.gz") == "of old\n"
    assert [content.strip() for content in kept.values()] == ["3", "4", "5", "6", "7", "8", "9"]


def test_a_rotation_that_was_broken_off_goes_on(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "web.log").write_text("monday\n")
    rotate(directory, day(0))

    def break_off(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("seckill.monitoring.logs.shutil.copyfileobj", break_off)
        with pytest.raises(OSError, match="No space"):
            rotate(directory, day(1))
    rotate(directory, day(1))

    assert files(directory) == {"web.log.2026-11-11.gz": "monday\n"}


@pytest.fixture
def start_writer(
    tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Return a function that starts a process of the shop that logs until there is a file ``stop``."""
    monkeypatch.setenv("LOG_DIR", str(directory))
    monkeypatch.setenv("LOG_FORMAT", "json")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "seckill.settings")
    started = []

    def start(name: str) -> subprocess.Popen[str]:
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, name, tmp_path / "stop"], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        )
        started.append(writer)
        return writer

    yield start
    for writer in started:
        writer.kill()
        writer.communicate()


def test_no_line_is_lost_while_processes_keep_writing(
    tmp_path: Path, directory: Path, start_writer: Callable[[str], subprocess.Popen[str]]
) -> None:
    writers = {name: start_writer(name) for name in ("ann", "ben", "cleo", "dan")}
    log = directory / "shop.log"

    def everybody_writes() -> bool:
        return log.exists() and all(f' of {name}"' in log.read_text() for name in writers)

    for number in range(6):
        wait_until("everybody writes to the new file", everybody_writes)
        rotate(directory, day(number))
    (tmp_path / "stop").touch()

    numbers = {name: int(writer.communicate(timeout=WAIT_SECONDS_MAX)[0]) for name, writer in writers.items()}
    kept = files(directory)
    assert list(kept) == [
        *([] if "shop.log" not in kept else ["shop.log"]),
        *(f"shop.log.{day(number)}.gz" for number in range(5)),
        f"shop.log.{day(5)}",
    ]
    lines = Counter(json.loads(line)["event"] for content in kept.values() for line in content.splitlines())
    assert lines == {f"line {number} of {name}": 1 for name, count in numbers.items() for number in range(count)}
