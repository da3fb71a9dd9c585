"""Visits: how long the shop's pages took while others were buying, and the file that keeps them."""

import csv
import os
from pathlib import Path


class VisitFile:
    """Collects visits, and writes ``visits.PID.csv`` at the close."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / f"visits.{os.getpid()}.csv"
        self._visits: list[tuple[float, float]] = []

    def add(self, began: float, milliseconds: float) -> None:
        """A visitor got an answer. ``began`` is seconds since 1970."""
        self._visits.append((began, milliseconds))

    def close(self) -> None:
        """The test is over."""
        with self._file.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("began", "milliseconds"), *self._visits])


def read_visits(directory: Path) -> list[tuple[float, float]]:
    """(when it began, milliseconds) of every request of a visitor."""
    found = []
    for file in directory.glob("visits.*.csv"):
        with file.open(newline="", encoding="utf-8") as rows:
            found += [(float(row["began"]), float(row["milliseconds"])) for row in csv.DictReader(rows)]
    return found
