"""``manage.py reconcile``: does the line agree with the ledger?"""

import sys
from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from orders.reconciliation import find_drift, rebuild_line
from seckill.line.line import get_line
from seckill.line.verbs import SaleUnknownError
from seckill.models import Sale


class Command(BaseCommand):
    """Compare every sale that has not ended with the ledger; exit status 1 when something differs and stays so."""

    help = "Report where Redis and the ledger differ; with --repair, rebuild those lines from the ledger."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether to repair."""
        parser.add_argument("--repair", action="store_true", help="rebuild what differs (default: report only)")

    def handle(self, *, repair: bool, **_: object) -> None:
        """One line a sale."""
        line = get_line()
        differing = 0
        for sale in Sale.objects.filter(ended_at__isnull=True):
            epoch: int | None = None
            try:
                drift = find_drift(line, sale.pk)
            except SaleUnknownError:
                self.stdout.write(f"sale {sale.pk}: unknown to Redis")
            else:
                if drift is None:
                    self.stdout.write(f"sale {sale.pk}: agrees")
                    continue
                epoch = drift.epoch
                self.stdout.write(
                    f"sale {sale.pk}: units left {drift.stock_in_line} in the line, {drift.stock_in_ledger} in the"
                    f" ledger; outcomes {drift.outcomes_in_line} in the line, {drift.orders_in_ledger} in the ledger"
                )
            if repair:
                rebuild_line(line, sale.pk, broken_epoch=epoch)
                self.stdout.write(f"sale {sale.pk}: rebuilt")
            else:
                differing += 1
        if differing:
            sys.exit(1)
