"""Fixtures of these tests."""

from pathlib import Path

import pytest
from django.core.files.storage import Storage, storages
from pytest_django import Settings

from orders import export as module
from tests.orders.bulk import empty_storage


@pytest.fixture(autouse=True)
def storage(settings: Settings, tmp_path: Path) -> Storage:
    """An empty storage."""
    empty_storage(settings, tmp_path)
    return storages["exports"]


@pytest.fixture
def _parts_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 3)
