"""``manage.py seed_demo``: an admin, two sales and three banners, if they are not there yet."""

import os
from argparse import ArgumentParser
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.files.images import ImageFile
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models.fields.files import ImageFieldFile
from django.utils import timezone

from seckill.catalog.models import Banner, Product, Sale

PICTURES = Path(__file__).parent.parent / "demo"  # drawn by devtools/pictures.py
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
        _give_picture(kettle.image, "kettle.jpg")
        lamp = Product(name="Night lamp", description="Walnut foot, linen shade, dims by a touch.")
        _give_picture(lamp.image, "lamp.jpg")
        common = {"stock": stock, "closes_at": now + OPEN_FOR}
        live = Sale.objects.create(
            product=kettle, price=Decimal("19.90"), opens_at=now - timedelta(minutes=1), **common
        )
        soon = Sale.objects.create(product=lamp, price=Decimal("34.50"), opens_at=now + SECOND_OPENS_IN, **common)
        banners = (
            (
                f"Copper kettles, {stock} of them",
                "One for each buyer, first come, first served",
                live,
                "kettle-banner.jpg",
            ),
            ("Night lamps from one minute on", "Get your pass before the doors open", soon, "lamp-banner.jpg"),
            ("Fair by construction", "Everybody in line can see where they stand", None, "line-banner.jpg"),
        )
        for position, (title, subtitle, sale, picture) in enumerate(banners):
            banner = Banner(title=title, subtitle=subtitle, sale=sale, position=position)
            _give_picture(banner.image, picture)


def _give_picture(field: ImageFieldFile, name: str) -> None:
    """Save the row with this picture."""
    with (PICTURES / name).open("rb") as file:
        field.save(name, ImageFile(file))
