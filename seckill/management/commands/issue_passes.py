"""``manage.py issue_passes SALE --count N``: issue passes for load tests, or for buyers of another system."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from seckill.catalog.models import Sale
from seckill.line.buyers import external_id
from seckill.line.passes import Pass
from seckill.timestamps import to_epoch_ms


class Command(BaseCommand):
    """Print signed passes, one per line. Buyers are external: ``x:``, a prefix and a number."""

    help = "Print passes for a sale, one per line, each for a different buyer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the sale, the number of passes and the prefix of the buyers' names."""
        parser.add_argument("sale", type=int, help="number of the sale")
        parser.add_argument("--count", type=int, default=1, help="how many passes (default 1)")
        parser.add_argument("--prefix", default="b", help="buyers are named x:PREFIX1, x:PREFIX2, … (default b)")

    def handle(self, *, sale: int, count: int, prefix: str, **_: object) -> None:
        """Print the passes.

        Raises:
            CommandError: the sale does not exist, the count is below 1, or the prefix makes an invalid name.
        """
        found = Sale.objects.filter(pk=sale).first()
        if found is None:
            raise CommandError(f"There is no sale {sale}.")
        if count < 1:
            raise CommandError("--count must be 1 or more.")
        opens_ms, closes_ms = to_epoch_ms(found.opens_at), to_epoch_ms(found.closes_at)
        try:
            for number in range(1, count + 1):
                buyer = external_id(f"{prefix}{number}")
                self.stdout.write(Pass.of_sale(sale, buyer, opens_ms=opens_ms, closes_ms=closes_ms).sign())
        except ValueError as error:
            raise CommandError(str(error)) from error
