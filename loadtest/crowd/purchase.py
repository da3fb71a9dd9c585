"""A purchase as its buyer saw it, and the file that stores all purchases."""

import csv
import os
from dataclasses import astuple, dataclass, fields
from pathlib import Path


@dataclass(slots=True)
class Purchase:
    """Times are seconds since 1970, UTC, by the load generator's clock; 0 = has not happened."""

    clicked: float
    answered: float = 0.0  #: when the purchase was answered: 202, 201 or sold out
    ticket: str = ""  #: empty when the purchase's response was the outcome
    place: int = 0  #: in line; 0 when the system has no places
    decided: float = 0.0  #: when the buyer learned the outcome
    outcome: str = ""  #: confirmed, waitlisted, sold_out, released or refused; empty when the buyer gave up first
    order: str = ""
    paid: bool = False
    polls: int = 0


class PurchaseFile:
    """Writes purchases to ``purchases.PID.csv`` as they end; unfinished ones on close."""

    def __init__(self, directory: Path) -> None:
        self._open: dict[int, Purchase] = {}
        self._file = (directory / f"purchases.{os.getpid()}.csv").open("w", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file)
        self._rows.writerow([field.name for field in fields(Purchase)])

    def begin(self, purchase: Purchase) -> None:
        """Add a purchase when its buyer clicks."""
        self._open[id(purchase)] = purchase

    def end(self, purchase: Purchase) -> None:
        """Write a purchase when its buyer is through or gives up."""
        del self._open[id(purchase)]
        self._rows.writerow(astuple(purchase))

    def close(self) -> None:
        """Write unfinished purchases at the end of the test."""
        for purchase in list(self._open.values()):
            self.end(purchase)
        self._file.close()


def read_purchases(directory: Path) -> list[Purchase]:
    """Read all purchases in a directory, ordered by the time of the click."""
    found = []
    for file in directory.glob("purchases.*.csv"):
        with file.open(newline="", encoding="utf-8") as rows:
            found += [
                Purchase(
                    clicked=float(row["clicked"]),
                    answered=float(row["answered"]),
                    ticket=row["ticket"],
                    place=int(row["place"]),
                    decided=float(row["decided"]),
                    outcome=row["outcome"],
                    order=row["order"],
                    paid=row["paid"] == "True",
                    polls=int(row["polls"]),
                )
                for row in csv.DictReader(rows)
            ]
    return sorted(found, key=lambda purchase: purchase.clicked)
