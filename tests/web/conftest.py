"""Fixtures of the API's tests: logged-in clients."""

from collections.abc import Callable

import pytest
from django.conf import settings as django_settings
from django.test import Client
from pytest_django import Settings

PASSWORD = "seven-odd-kettles"
LogIn = Callable[[str], Client]


@pytest.fixture(autouse=True, scope="session")
def _place_for_static_files() -> None:
    """WhiteNoise needs the directory that collectstatic fills; an empty one suffices."""
    django_settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.fixture(autouse=True)
def _fast_passwords(settings: Settings) -> None:
    """Use a fast password hasher; the slow one adds nothing to these tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def log_in(db: None) -> LogIn:  # noqa: ARG001 (accounts need the database)
    """Return a function that registers a user through the API and returns a client with the session."""

    def register(username: str) -> Client:
        browser = Client()
        answer = browser.post(
            "/api/auth/register", {"username": username, "password": PASSWORD}, content_type="application/json"
        )
        assert answer.status_code == 201, answer.content
        return browser

    return register
