"""Fixtures of these tests."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from devtools.embedded.ports import free_port
from seckill.line.line import get_line


@pytest.fixture
def redis_away(settings: Settings) -> Iterator[None]:
    """The addresses of line and cache refuse connections."""
    port = free_port()
    settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": f"redis://127.0.0.1:{port}/1"}}
    get_line.cache_clear()
    yield
    get_line.cache_clear()
