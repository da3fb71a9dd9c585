"""``manage.py seed_demo``: an admin, two sales and three banners, if they are not there yet."""

import os
from argparse import ArgumentParser
from datetime import timedelta
from decimal import Decimal
from io import BytesIO

from django.contrib.auth import get_user_model
from django.core.files.images import ImageFile
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from PIL import Image, ImageDraw

from seckill.models import Banner, Product, Sale

OPEN_FOR = timedelta(days=30)
SECOND_OPENS_IN = timedelta(seconds=60)
SCALE = 2  # drawn larger and shrunk: smooth edges

Colour = tuple[int, int, int]


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
        now = timezone.now()
        kettle = self._product(
            "Copper kettle", "Hand-hammered, 1.2 litres, whistles in G.", (196, 98, 45), (120, 44, 32)
        )
        lamp = self._product("Night lamp", "Walnut foot, linen shade, dims by a touch.", (38, 70, 83), (20, 33, 61))
        first = Sale.objects.create(
            product=kettle, price=Decimal("19.90"), stock=stock, opens_at=now - timedelta(minutes=1),
            closes_at=now + OPEN_FOR,
        )  # fmt: skip
        second = Sale.objects.create(
            product=lamp, price=Decimal("34.50"), stock=stock, opens_at=now + SECOND_OPENS_IN, closes_at=now + OPEN_FOR
        )
        for position, (title, subtitle, sale, light, dark) in enumerate(
            [
                ("Copper kettles, a hundred of them", "One for each buyer, first come, first served", first,
                 (233, 160, 95), (150, 60, 38)),
                ("Night lamps from one minute on", "Get your pass before the doors open", second,
                 (74, 124, 140), (20, 33, 61)),
                ("Fair by construction", "Everybody in line can see where they stand", None,
                 (120, 150, 110), (38, 64, 52)),
            ]
        ):  # fmt: skip
            banner = Banner(title=title, subtitle=subtitle, sale=sale, position=position)
            banner.image.save(f"demo-{position + 1}.png", _picture((1280, 480), light, dark, position))
        self.stdout.write(f"Sale 1 is live with {stock} units; sale 2 opens in {SECOND_OPENS_IN.seconds} s.")

    @staticmethod
    def _product(name: str, description: str, light: Colour, dark: Colour) -> Product:
        product = Product(name=name, description=description)
        product.image.save(f"{name.rsplit(maxsplit=1)[-1]}.png", _picture((800, 800), light, dark, len(name)))
        return product


def _picture(size: tuple[int, int], light: Colour, dark: Colour, turn: int) -> ImageFile:
    """A quiet gradient with a few discs, as PNG."""
    width, height = size[0] * SCALE, size[1] * SCALE
    ramp = Image.linear_gradient("L").rotate(90 if turn % 2 else 0).resize((width, height))
    picture = Image.composite(Image.new("RGB", (width, height), dark), Image.new("RGB", (width, height), light), ramp)
    discs = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(discs)
    for step in range(5):
        radius = height * (5 - step) // 7
        x, y = width * (3 + turn % 3) // 5, height * (6 + step) // 10
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 255, 255, 22))
    picture.paste(discs, mask=discs)
    buffer = BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS).save(buffer, "PNG", optimize=True)
    buffer.seek(0)
    return ImageFile(buffer)
