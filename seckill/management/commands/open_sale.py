"""``manage.py open_sale SALE``: open a sale now."""

from argparse import ArgumentParser
from datetime import timedelta

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from orders.reconciliation import sync_sale_to_redis
from seckill.catalog.models import Sale
from seckill.line.line import get_line


class Command(BaseCommand):
    """Open a paused sale, or one whose opening time is still to come."""

    help = "Open a sale now: resume it if it is paused, and move a later opening time to now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the sale and the minutes until it closes."""
        parser.add_argument("sale", type=int, help="number of the sale")
        parser.add_argument("--minutes", type=int, help="minutes until it closes (default: the closing time stays)")

    def handle(self, *, sale: int, minutes: int | None, **_: object) -> None:
        """Open the sale in the ledger, then in Redis.

        Raises:
            CommandError: the sale does not exist, has ended, or its closing time has passed.
        """
        now = timezone.now()
        with transaction.atomic():
            found = Sale.objects.select_for_update().filter(pk=sale).first()
            if found is None:
                raise CommandError(f"There is no sale {sale}.")
            if found.ended_at is not None:
                raise CommandError(f"Sale {sale} has ended and can't be reopened. Create a new sale.")
            found.status = Sale.Status.OPEN
            found.opens_at = min(found.opens_at, now)
            if minutes is not None:
                found.closes_at = now + timedelta(minutes=minutes)
            if found.closes_at <= now:
                raise CommandError(
                    f"Sale {sale} closed at {found.closes_at:%Y-%m-%d %H:%M} UTC. Use --minutes to reopen it."
                )
            found.save(update_fields=["status", "opens_at", "closes_at"])
        sync_sale_to_redis(get_line(), found)
        self.stdout.write(f"Sale {sale} is open until {found.closes_at:%Y-%m-%d %H:%M} UTC.")
