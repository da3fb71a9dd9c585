"""``manage.py reconcile``: check the line against the ledger, and the ledger for contradictions."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from redis.exceptions import RedisError

from orders.audit import run_audit
from orders.models import Audit
from orders.reconciliation import reconcile
from seckill.catalog.models import Sale
from seckill.line.line import get_line

EXIT_INCONCLUSIVE = 2  #: exit status for an unknown sale, or when Redis does not answer


class Command(BaseCommand):
    """Compare sales with the ledger.

    Exit status 1: a difference remains. 2: an unknown sale, or Redis does not respond.
    """

    help = (
        "Report sales whose line differs from the ledger, or whose ledger contradicts itself;"
        " with --repair, rebuild differing lines from the ledger."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the sales and ``--repair``."""
        parser.add_argument(
            "sales", type=int, nargs="*", metavar="SALE", help="number of a sale (default: all that have not ended)"
        )
        parser.add_argument("--repair", action="store_true", help="rebuild lines that differ (default: only report)")

    def handle(self, *, sales: Sequence[int], repair: bool, **_: object) -> None:
        """Print the result of each sale.

        Raises:
            CommandError: a sale does not exist, or Redis does not respond.
        """
        line = get_line()
        look = reconcile if repair else run_audit
        differing = 0
        for sale in _select_sales(sales):
            try:
                found = look(line, sale.pk, by=Audit.By.COMMAND)
            except RedisError as error:
                raise CommandError(f"Redis does not respond: {error}", returncode=EXIT_INCONCLUSIVE) from error
            self.stdout.write(f"sale {sale.pk}: {_format(found)}")
            if found.repaired:
                self.stdout.write(f"sale {sale.pk}: rebuilt")
            elif found.result not in {Audit.Result.AGREES, Audit.Result.BUSY}:
                differing += 1
        if differing:
            sys.exit(1)


def _select_sales(numbers: Sequence[int]) -> QuerySet[Sale]:
    if not numbers:
        return Sale.objects.filter(ended_at__isnull=True)
    missing = sorted(set(numbers) - set(Sale.objects.values_list("pk", flat=True)))
    if missing:
        raise CommandError(f"There is no sale {', '.join(map(str, missing))}.", returncode=EXIT_INCONCLUSIVE)
    return Sale.objects.filter(pk__in=numbers)


def _format(found: Audit) -> str:
    match found.result:
        case Audit.Result.CONTRADICTION:
            return (
                f"THE LEDGER CONTRADICTS ITSELF: sold {found.sold}, orders that hold a unit {found.active_orders},"
                f" stock {found.stock}; it is not repaired automatically"
            )
        case Audit.Result.UNKNOWN:
            return "not loaded in Redis"
        case Audit.Result.BUSY:
            return f"busy: {found.reserved_units} units are being settled; try again"
        case Audit.Result.DRIFT:
            return (
                f"units left {found.redis_stock} in the line, {found.db_stock} in the ledger;"
                f" outcomes {found.outcomes} in the line, {found.orders} in the ledger"
            )
        case _:
            return "agrees"
