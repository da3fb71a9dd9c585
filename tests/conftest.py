"""Shared fixtures: an empty Valkey, a line on it, sales, and unreachable servers."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.cache import cache
from django.db import connection
from django.utils import timezone, translation
from pytest_django import Settings

from devtools.embedded.ports import free_port
from devtools.waiting import WAIT_SECONDS_MAX
from orders.reconciliation import sync_sale_to_redis
from seckill.catalog.models import Product, Sale
from seckill.line.line import Line, get_line
from tests import servers

MakeSale = Callable[..., Sale]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:  # noqa: ARG001 (pytest-django's own)
    """Wait longer for a database connection than in production: many threads at once are slow on a slow machine."""
    if connection.vendor == "postgresql":
        connection.settings_dict["OPTIONS"]["pool"]["timeout"] = WAIT_SECONDS_MAX


@pytest.fixture(autouse=True)
def _empty_valkey() -> Iterator[None]:
    """Empty the server before every test, and close all connections afterwards."""
    with redis.Redis.from_url(servers.valkey.url(0)) as client:
        client.flushall()
    yield
    cache.close()


@pytest.fixture(autouse=True)
def _default_language() -> None:
    """Forget the language of the last request that an earlier test made on this thread."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def _files(settings: Settings, tmp_path: Path) -> None:
    """A directory for uploads; static files keep their plain names."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATIC_ROOT.mkdir()
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def line() -> Line:
    """The line of this process."""
    return get_line()


@pytest.fixture
def make_sale(db: None, line: Line) -> MakeSale:  # noqa: ARG001 (sales need the database)
    """Return a function that creates a sale, open for an hour by default, and loads it."""

    def make(
        *, stock: int = 3, opens_in: float = -60, closes_in: float = 3600, publish: bool = True, **more: Any
    ) -> Sale:
        product, _ = Product.objects.get_or_create(name="Copper kettle")
        now = timezone.now()
        sale = Sale.objects.create(
            product=product,
            stock=stock,
            price=more.pop("price", Decimal("19.90")),
            opens_at=now + timedelta(seconds=opens_in),
            closes_at=now + timedelta(seconds=closes_in),
            **more,
        )
        if publish:
            sync_sale_to_redis(line, sale)
            sale.refresh_from_db()
        return sale

    return make


@pytest.fixture
def _redis_is_away(settings: Settings) -> Iterator[None]:
    """The line's address refuses connections."""
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    get_line.cache_clear()
    yield
    get_line().client.close()
    get_line.cache_clear()


@pytest.fixture
def _cache_is_away(settings: Settings) -> Iterator[None]:
    """The cache's address refuses connections."""
    cache.close()
    there: dict[str, Any] = settings.CACHES["default"]
    settings.CACHES = {"default": there | {"LOCATION": f"redis://127.0.0.1:{free_port()}/2"}}
    yield
    cache.close()


@pytest.fixture
def _database_is_away(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # noqa: ARG001 (it must be there first)
    """The ledger's address refuses connections."""
    connection.close()
    with monkeypatch.context() as patch:
        if connection.vendor == "postgresql":
            patch.setitem(connection.settings_dict, "PORT", free_port())
            patch.setitem(connection.settings_dict["OPTIONS"], "pool", False)  # a pool would retry for 5 s
        else:
            patch.setitem(connection.settings_dict, "NAME", "/nowhere/at/all.sqlite3")
        yield
        connection.close()
