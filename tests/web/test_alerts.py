"""Alerts in the admin: open ones first, and shown on the page of their sale."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from seckill.accounts.models import User
from seckill.monitoring.models import Alert
from tests.conftest import MakeSale

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def boss() -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("boss"))
    return browser


def new_alert(subject: str, *, minutes_ago: int, lasted_minutes: int | None = None) -> Alert:
    since = timezone.now() - timedelta(minutes=minutes_ago)
    ended_at = None if lasted_minutes is None else since + timedelta(minutes=lasted_minutes)
    return Alert.objects.create(
        kind="drift", subject=subject, detail="8, not 1", started_at=since, resolved_at=ended_at
    )


def test_alerts_that_last_come_first_and_nobody_edits_them(boss: Client) -> None:
    new_alert("sale 7", minutes_ago=60)
    new_alert("sale 8", minutes_ago=5, lasted_minutes=2)
    last = new_alert("sale 9", minutes_ago=30)
    url = reverse("admin:monitoring_alert_changelist")

    page = boss.get(url).content.decode()

    assert page.index("sale 9") < page.index("sale 7") < page.index("sale 8")
    assert "0:02:00" in page
    change = reverse("admin:monitoring_alert_change", args=[last.pk])
    assert boss.get(change).status_code == 200
    assert [
        boss.post(change, {"subject": "x"}).status_code,
        boss.get(reverse("admin:monitoring_alert_add")).status_code,
        boss.post(reverse("admin:monitoring_alert_delete", args=[last.pk]), {"post": "yes"}).status_code,
    ] == [403, 403, 403]


def test_a_sale_shows_its_own_alerts_as_long_as_they_last(boss: Client, make_sale: MakeSale) -> None:
    sale = make_sale()
    alert = new_alert(f"sale {sale.pk}", minutes_ago=5)
    new_alert(f"sale {sale.pk}0", minutes_ago=5)
    url = reverse("admin:catalog_sale_change", args=[sale.pk])

    page = boss.get(url).content.decode()
    assert page.count('role="alert"') == 1
    assert reverse("admin:monitoring_alert_change", args=[alert.pk]) in page
    assert re.search(r"line and ledger differ</a>:\s+8, not 1", page)

    Alert.objects.update(resolved_at=timezone.now())
    assert 'role="alert"' not in boss.get(url).content.decode()
