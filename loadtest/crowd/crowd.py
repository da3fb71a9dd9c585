"""The crowd: what all buyers and visitors of one Locust process share."""

from pathlib import Path
from typing import TYPE_CHECKING

from locust.env import Environment

from loadtest.crowd.opening import Opening
from loadtest.crowd.pass_book import PassBook
from loadtest.crowd.purchase import PurchaseFile
from loadtest.crowd.visit import VisitFile

if TYPE_CHECKING:
    from argparse import Namespace


class Crowd:
    """Options, passes, the opening, and the output files."""

    def __init__(self, environment: Environment) -> None:
        options = environment.parsed_options
        assert options is not None  # noqa: S101 (for the type checker: Locust has parsed them by now)
        self.options: Namespace = options
        directory = Path(options.records) if options.records else None
        if directory:
            directory.mkdir(parents=True, exist_ok=True)
        self.passes = PassBook()
        self.passes.listen(environment)
        self.opening = Opening(environment, options.sale, directory)
        self.purchases = PurchaseFile(directory) if directory else None
        self.visits = VisitFile(directory) if directory else None

    def close(self) -> None:
        """Write the remaining data at the end of the test."""
        if self.purchases:
            self.purchases.close()
        if self.visits:
            self.visits.close()
