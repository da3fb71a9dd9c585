"""The admin page of hosts: heartbeats, silent hosts, read-only."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from celery_task.monitoring_task import HEARTBEAT_TIMEOUT_SECONDS
from seckill.accounts.models import User
from seckill.monitoring.models import Host
from tests.web.admin.shop import row

pytestmark = pytest.mark.django_db

URL = reverse("admin:monitoring_host_changelist")


def test_hosts_are_shown_and_silent_ones_are_marked(admin_client: Client) -> None:
    now, silent = Now(), Now() - timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS + 1)
    Host.objects.create(name="web-1", last_seen_at=now, load=0.4, memory_free_mib=5120, disk_free_mib=81_234)
    Host.objects.create(name="web-2", last_seen_at=silent, load=None, memory_free_mib=None, disk_free_mib=None)

    page = admin_client.get(URL)

    first, second = row(page, "web-1"), row(page, "web-2")
    assert first.pop("last_seen_at")
    assert second.pop("last_seen_at")
    assert first == {
        "name": "web-1",
        "state": "online",
        "load_per_core": "0.40",
        "free_memory": "5.0 GiB",
        "free_disk": "79.3 GiB",
    }
    assert second == {"name": "web-2", "state": "silent", "load_per_core": "-", "free_memory": "-", "free_disk": "-"}


def test_nobody_changes_a_host(admin_client: Client) -> None:
    Host.objects.create(name="web-1", last_seen_at=Now())

    for page in ("add", "delete", "change"):
        arguments = [] if page == "add" else ["web_2D1"]
        answer = admin_client.post(reverse(f"admin:monitoring_host_{page}", args=arguments), {"name": "web-7"})
        assert answer.status_code == 403

    assert [host.name for host in Host.objects.all()] == ["web-1"]


def test_the_page_is_for_staff_who_may_see_hosts(client: Client) -> None:
    client.force_login(User.objects.create_user("clerk", is_staff=True))

    assert client.get(URL).status_code == 403
