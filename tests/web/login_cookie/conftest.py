"""Fixtures of these tests."""

import pytest

from seckill.accounts.models import User
from tests.web.conftest import PASSWORD


@pytest.fixture
def admin() -> User:
    """A superuser."""
    return User.objects.create_superuser("olga", password=PASSWORD)
