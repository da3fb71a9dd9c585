"""System checks: each relation holds, and the check that guards it reports when it is broken."""

from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from seckill import conf
from seckill.checks import RELATIONS
from tests.conftest import MakeSale

BROKEN: dict[str, dict[str, Any]] = {
    "seckill.E001": {"EXPORT_CHUNK_SECONDS_MAX": 25},
    "seckill.E002": {"WEBHOOK_RETRY_SECONDS_MAX": 15},
    "seckill.E003": {"RESERVATION_LEASE_SECONDS": 4.9},
    "seckill.E004": {"CELERY_TASK_SOFT_TIME_LIMIT": 60},
    "seckill.E005": {"SETTLE_SECONDS_MAX": 30},
    "seckill.E006": {"SETTLE_CHUNK": 2_001},
    "seckill.E007": {"BEAT_RENEW_SECONDS": 2},
    "seckill.E008": {"HOST_TIMEOUT_SECONDS": 30},
    "seckill.E009": {"REJOIN_SECONDS": 3},
    "seckill.E010": {"STALLED_SECONDS": 5},
    "seckill.E011": {"BANNERS_REFRESH_SECONDS": 60},
    "seckill.E012": {"SESSION_COPY_SECONDS": 3600},
}


def ids(*, deploy: bool = False, database: bool = False) -> list[str]:
    """Return the ids of what our checks report."""
    found = run_checks(include_deployment_checks=deploy, databases=["default"] if database else None)
    return [str(message.id) for message in found if str(message.id).startswith("seckill.")]


def test_everything_holds() -> None:
    assert ids() == []


def test_every_relation_is_broken_below() -> None:
    assert [relation.id for relation in RELATIONS] == list(BROKEN)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_relation_is_an_error(broken: str, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    for name, value in BROKEN[broken].items():
        if hasattr(conf, name):
            monkeypatch.setattr(conf, name, value)
        if hasattr(settings, name):
            setattr(settings, name, value)

    assert ids() == [broken]


def test_tls_without_a_counted_proxy_is_a_warning_of_check_deploy(settings: Settings) -> None:
    settings.HTTPS = True

    assert ids() == []
    assert ids(deploy=True) == ["seckill.W002"]

    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    assert ids(deploy=True) == []


@pytest.mark.django_db
def test_a_line_shorter_than_the_stock_is_a_warning(make_sale: MakeSale) -> None:
    make_sale(stock=3, line_limit=3, publish=False)
    assert ids(database=True) == []

    make_sale(stock=3, line_limit=2, publish=False)
    assert ids(database=True) == ["seckill.W003"]
    assert ids() == []
