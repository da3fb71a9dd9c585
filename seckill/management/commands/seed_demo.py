"""``manage.py seed_demo``: an admin, two sales and three banners, if they are not there yet."""

import os
from argparse import ArgumentParser
from datetime import timedelta
from decimal import Decimal

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from seckill.demo_pictures import kettle_banner, kettle_picture, lamp_banner, lamp_picture, line_banner
from seckill.models import Banner, Product, Sale

OPEN_FOR = timedelta(days=30)
SECOND_OPENS_IN = timedelta(seconds=60)


class Command(BaseCommand):
    """Fill an empty database with something to look at. What is there already stays as it is."""

    help = "Make demo data: admin account, two products with a sale each, three banners."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The stock of the first sale."""
        parser.add_argument("--stock", type=int, default=100, help="units in sale 1 (default 100)")

    def handle(self, *, stock: int, **_: object) -> None:
        """Raises CommandError for a stock below 1. The password is DEMO_ADMIN_PASSWORD, ``admin`` without it."""
        if stock < 1:
            raise CommandError("--stock has to be 1 or more.")
        users = get_user_model().objects
        if not users.filter(username="admin").exists():
            users.create_superuser("admin", password=os.environ.get("DEMO_ADMIN_PASSWORD", "admin"))
        if Sale.objects.exists():
            self.stdout.write("There are sales already: nothing added.")
            return
        with transaction.atomic():  # all of it or none: an interrupted start can be repeated
            self._add(stock)
        self.stdout.write(f"Sale 1 is live with {stock} units; sale 2 opens in {SECOND_OPENS_IN.seconds} s.")

    @staticmethod
    def _add(stock: int) -> None:
        now = timezone.now()
        kettle = Product(name="Copper kettle", description="Hand-hammered, 1.2 litres, whistles in G.")
        kettle.image.save("kettle.png", kettle_picture())
        lamp = Product(name="Night lamp", description="Walnut foot, linen shade, dims by a touch.")
        lamp.image.save("lamp.png", lamp_picture())
        common = {"stock": stock, "closes_at": now + OPEN_FOR}
        live = Sale.objects.create(
            product=kettle, price=Decimal("19.90"), opens_at=now - timedelta(minutes=1), **common
        )
        soon = Sale.objects.create(product=lamp, price=Decimal("34.50"), opens_at=now + SECOND_OPENS_IN, **common)
        banners = (
            (f"Copper kettles, {stock} of them", "One for each buyer, first come, first served", live, kettle_banner()),
            ("Night lamps from one minute on", "Get your pass before the doors open", soon, lamp_banner()),
            ("Fair by construction", "Everybody in line can see where they stand", None, line_banner()),
        )
        for position, (title, subtitle, sale, picture) in enumerate(banners):
            banner = Banner(title=title, subtitle=subtitle, sale=sale, position=position)
            banner.image.save(f"demo-{position + 1}.png", picture)
