"""``manage.py seed_demo`` fills an empty database with demo data."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from PIL import Image
from pytest_django import Settings

from seckill.accounts.models import User
from seckill.catalog.models import Banner, Product, Sale

pytestmark = pytest.mark.django_db(transaction=True)  # picture files are written on commit


@pytest.fixture(autouse=True)
def _own_pictures(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def seed(*arguments: str) -> str:
    """Return its output."""
    out = StringIO()
    call_command("seed_demo", *arguments, stdout=out)
    return out.getvalue()


def test_an_empty_shop_gets_two_sales_and_three_banners() -> None:
    before = timezone.now()

    assert seed("--stock", "57") == "Sale 1 is live with 57 units; sale 2 opens in 60 s.\n"

    first, second = Sale.objects.order_by("id")
    assert [(sale.product.name, sale.price, sale.stock, sale.sold) for sale in (first, second)] == [
        ("Copper kettle", Decimal("19.90"), 57, 0),
        ("Night lamp", Decimal("34.50"), 57, 0),
    ]
    assert first.opens_at <= before
    assert before + timedelta(seconds=60) <= second.opens_at <= timezone.now() + timedelta(seconds=60)
    assert [(banner.sale, banner.active) for banner in Banner.objects.all()] == [
        (first, True),
        (second, True),
        (None, True),
    ]
    for banner in Banner.objects.all():
        with Image.open(banner.image.path) as picture:
            assert (picture.format, picture.size) == ("JPEG", (1280, 480))
    for product in Product.objects.all():
        with Image.open(product.image.path) as picture:
            assert (picture.format, picture.size) == ("JPEG", (800, 800))


def test_a_hundred_units_are_the_default() -> None:
    seed()

    assert list(Sale.objects.values_list("stock", flat=True)) == [100, 100]


def test_twice_adds_nothing(tmp_path: Path) -> None:
    seed("--stock", "57")
    files = sorted(tmp_path.rglob("*"))

    assert seed("--stock", "99") == "There are sales already; nothing was added.\n"

    assert list(Sale.objects.values_list("stock", flat=True)) == [57, 57]
    assert (Banner.objects.count(), Product.objects.count(), User.objects.count()) == (3, 2, 1)
    assert sorted(tmp_path.rglob("*")) == files


@pytest.mark.parametrize(
    ("environment", "password"), [({}, "admin"), ({"DEMO_ADMIN_PASSWORD": "copper-57"}, "copper-57")]
)
def test_the_admin_has_the_password_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], password: str
) -> None:
    monkeypatch.delenv("DEMO_ADMIN_PASSWORD", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    seed()

    admin = User.objects.get()
    assert (admin.username, admin.is_superuser, admin.check_password(password)) == ("admin", True, True)


def test_an_admin_who_is_there_already_keeps_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    User.objects.create_superuser("admin", password="chosen-long-ago")
    monkeypatch.setenv("DEMO_ADMIN_PASSWORD", "copper-57")

    seed()

    assert User.objects.get().check_password("chosen-long-ago")


@pytest.mark.parametrize("stock", ["0", "-7"])
def test_a_sale_of_nothing_is_refused(stock: str) -> None:
    with pytest.raises(CommandError, match=r"^--stock must be 1 or more\.$"):
        seed(f"--stock={stock}")

    assert (Sale.objects.count(), User.objects.count()) == (0, 0)
