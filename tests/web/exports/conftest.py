"""Fixtures of these tests."""

from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from orders import export as module
from orders.models import Export
from tests.conftest import MakeSale
from tests.orders.bulk import empty_storage, write_orders
from tests.web.exports.export import begun, finish, staff


@pytest.fixture(autouse=True)
def _storage(settings: Settings, tmp_path: Path) -> None:
    """An empty storage."""
    empty_storage(settings, tmp_path)


@pytest.fixture
def _parts_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 3)


@pytest.fixture
def browser(db: None) -> Client:  # noqa: ARG001 (accounts need the database)
    """A client of a clerk who may see orders."""
    return staff("clerk", "view_order")


@pytest.fixture
def done(browser: Client, make_sale: MakeSale, _parts_of_three: None) -> Export:
    """A finished export of three chunks."""
    write_orders(make_sale(publish=False, stock=7), 7)
    return finish(begun(browser))
