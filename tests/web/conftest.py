"""What tests of the API share: browsers that are logged in, and servers that are away."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from pytest_django import Settings

from seckill.embedded.ports import free_port
from seckill.line.line import get_line

PASSWORD = "seven-odd-kettles"
LogIn = Callable[[str], Client]


@pytest.fixture(autouse=True, scope="session")
def _place_for_static_files() -> None:
    """WhiteNoise wants the directory that collectstatic fills; an empty one will do."""
    django_settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.fixture(autouse=True)
def _fast_passwords(settings: Settings) -> None:
    """Hashing that is slow on purpose teaches these tests nothing."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def log_in(db: None) -> LogIn:  # noqa: ARG001 (accounts need the database)
    """A function that registers a user by the API and gives a browser with the session."""

    def register(username: str) -> Client:
        browser = Client()
        answer = browser.post(
            "/api/auth/register", {"username": username, "password": PASSWORD}, content_type="application/json"
        )
        assert answer.status_code == 201, answer.content
        return browser

    return register


@pytest.fixture
def _redis_is_away(settings: Settings) -> Iterator[None]:
    """Nobody listens where the line should be."""
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    get_line.cache_clear()
    yield
    get_line().client.close()
    get_line.cache_clear()


@pytest.fixture
def _cache_is_away(settings: Settings) -> Iterator[None]:
    """Nobody listens where the cache should be."""
    cache.close()
    there: dict[str, Any] = settings.CACHES["default"]
    settings.CACHES = {"default": there | {"LOCATION": f"redis://127.0.0.1:{free_port()}/2"}}
    yield
    cache.close()


@pytest.fixture
def _database_is_away(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # noqa: ARG001 (it must be there first)
    """Nobody listens where the ledger should be."""
    connection.close()
    with monkeypatch.context() as patch:
        if connection.vendor == "postgresql":
            patch.setitem(connection.settings_dict, "PORT", free_port())
            patch.setitem(connection.settings_dict["OPTIONS"], "pool", False)  # which would try for 5 s
        else:
            patch.setitem(connection.settings_dict, "NAME", "/nowhere/at/all.sqlite3")
        yield
        connection.close()
