"""Visits: response times of the shop's pages during the rush, and the file that stores them."""

import csv
import os
from pathlib import Path


class VisitFile:
    """Collects visits, and writes ``visits.PID.csv`` on close."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / f"visits.{os.getpid()}.csv"
        self._visits: list[tuple[float, float]] = []

    def add(self, began: float, milliseconds: float) -> None:
        """Add a visitor's request. ``began`` is seconds since 1970."""
        self._visits.append((began, milliseconds))

    def close(self) -> None:
        """Write the visits at the end of the test."""
        with self._file.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("began", "milliseconds"), *self._visits])


def read_visits(directory: Path) -> list[tuple[float, float]]:
    """Read (start time, milliseconds) of every visitor's request."""
    found = []
    for file in directory.glob("visits.*.csv"):
        with file.open(newline="", encoding="utf-8") as rows:
            found += [(float(row["began"]), float(row["milliseconds"])) for row in csv.DictReader(rows)]
    return found
