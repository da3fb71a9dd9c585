"""Monitoring with real workers: an alert is opened and mailed, although the mail server was unavailable."""

from datetime import timedelta

import pytest
from django.utils import timezone

from celery_task.monitoring_task import run_checks
from devtools.embedded.ports import free_port
from devtools.waiting import wait_until
from seckill.monitoring.models import Alert, Host
from tests.workers.conftest import StartBeat, StartWorker
from tests.workers.mail_server import mail_server

pytestmark = pytest.mark.django_db(transaction=True)


def standing() -> list[tuple[str, str]]:
    """Return (kind, subject) of the open alerts."""
    return list(Alert.objects.filter(resolved_at__isnull=True).values_list("kind", "subject"))


def test_a_silent_host_is_an_alert_until_its_next_heartbeat_or_its_removal() -> None:
    now = timezone.now()
    Host.objects.create(name="web-1", last_seen_at=now - timedelta(seconds=61))
    Host.objects.create(name="web-2", last_seen_at=now - timedelta(seconds=61))
    Host.objects.create(name="web-3", last_seen_at=now - timedelta(seconds=30))
    run_checks.run()
    assert standing() == [("host_silent", "host web-1"), ("host_silent", "host web-2")]

    Host.objects.filter(name="web-1").update(last_seen_at=now)
    run_checks.run()
    assert standing() == [("host_silent", "host web-2")]
    Host.objects.filter(name="web-2").delete()
    run_checks.run()
    assert standing() == []


def test_an_alert_is_mailed_once_when_the_mail_server_is_back(start_worker: StartWorker, start_beat: StartBeat) -> None:
    port = free_port()
    environment = {
        "ADMINS": "ops@shop.example,boss@shop.example",
        "EMAIL_URL": f"smtp://127.0.0.1:{port}",
        "SERVER_EMAIL": "shop@shop.example",
    }
    workers = [start_worker("default,notifications", name=name, environment=environment) for name in ("a", "b")]
    Host.objects.create(name="web-1", last_seen_at=timezone.now() - timedelta(seconds=61))
    start_beat()
    wait_until("it was tried again", lambda: any("task_retried" in worker.log() for worker in workers))
    assert Alert.objects.get().mailed_at is None

    with mail_server(port) as mails:
        wait_until("it is mailed", lambda: mails)
        wait_until("it is told", lambda: Alert.objects.get().mailed_at)
        Host.objects.update(last_seen_at=timezone.now() + timedelta(hours=1))
        wait_until("its end is mailed", lambda: len(mails) == 2)
        wait_until(
            "its end is told", lambda: Alert.objects.filter(mailed_at__gt=Alert.objects.get().resolved_at).exists()
        )

    assert [mail["Subject"] for mail in mails] == [
        "Alert: a host is silent: host web-1",
        "Resolved: a host is silent: host web-1",
    ]
    assert [(mail["From"], mail["To"]) for mail in mails] == [
        ("shop@shop.example", "ops@shop.example, boss@shop.example")
    ] * 2
    said = "".join(worker.log() for worker in workers)
    assert (said.count("alert_raised"), said.count("alert_resolved")) == (1, 1)
