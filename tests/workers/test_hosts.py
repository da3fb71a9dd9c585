"""Hosts: each does its own work, all receive broadcasts, and a returning host catches up."""

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models.functions import Now
from kombu.exceptions import ChannelError
from pytest_django import Settings

from celery_task.celery import app
from celery_task.host_task import broadcast_picture, report_heartbeat, request_heartbeats, request_log_rotation
from celery_task.queues import ON_REDIS, host_queue
from celery_task.runtime.host_health import read_health
from devtools.waiting import wait_until
from seckill.monitoring.models import Host
from tests import servers
from tests.rabbitmq import VHOST
from tests.workers.messages import tasks
from tests.workers.worker import Process, worker

pytestmark = pytest.mark.django_db(transaction=True)

StartHost = Callable[[str], Process]

KETTLE = b"\x89PNG not much of a kettle"
REPORT, ROTATE = "celery_task.host_task.report_heartbeat", "celery_task.host_task.rotate_logs"


@pytest.fixture(autouse=True)
def _empty_host_queues() -> None:
    """Delete the hosts' queues, so that no test finds another one's messages."""
    with app.connection_for_write() as connection:
        for name in ("web-1", "web-2"):
            try:
                host_queue(name)(connection.default_channel).delete()
            except ChannelError:  # the queue is not declared yet
                connection.default_channel.close()
                connection._default_channel = None


@pytest.fixture
def start_host(processes: list[Process], tmp_path: Path) -> StartHost:
    """``start_host("web-1")`` starts the worker of a host, with all its files in ``tmp_path / "web-1"``."""

    def start(name: str) -> Process:
        Host.objects.filter(name=name).delete()
        environment = {"SECKILL_VAR_DIR": str(tmp_path / name), "SECKILL_LOG_DIR": str(tmp_path / name / "logs")}
        one_by_one = ("--pool", "threads", "--concurrency", "1")
        processes.append(worker(tmp_path, name, "host,broadcast", *one_by_one, environment=environment))
        processes[-1].start()
        wait_until(f"{name} has registered", lambda: Host.objects.filter(name=name).exists())
        return processes[-1]

    return start


def upload(name: str = "banners/kettle.png") -> str:
    """Store a picture in the database only, and return this process's directory."""
    return default_storage.save(name, ContentFile(KETTLE))


def silence(name: str, since: timedelta) -> None:
    """Move a host's last heartbeat this far into the past."""
    Host.objects.update_or_create(name=name, defaults={"last_seen_at": Now() - since})


def reports_since(name: str, since: timedelta) -> bool:
    """Return whether a host has sent a heartbeat within that time."""
    return Host.objects.filter(name=name, last_seen_at__gt=Now() - since).exists()


def held_by_workers(queue: str) -> int:
    """Return how many messages RabbitMQ has delivered and not got acknowledged."""
    assert servers.rabbit is not None
    asked = ("list_queues", "--vhost", VHOST, "name", "messages_unacknowledged")
    return int(dict(line.split("\t") for line in servers.rabbit.control(*asked).stdout.splitlines())[queue])


def test_a_host_reports_its_health(settings: Settings) -> None:
    settings.HOST = "web-1"

    report_heartbeat.run()

    host = Host.objects.get()
    assert host.name == "web-1"
    assert host.load is not None
    assert 0 <= host.load <= 1000
    free = os.statvfs(settings.VAR_DIR)
    assert host.disk_free_mib == pytest.approx(free.f_bavail * free.f_frsize / 2**20, rel=0.1)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
    assert host.memory_free_mib is not None
    assert 0 < host.memory_free_mib < memory


def test_values_that_the_system_does_not_have_stay_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery_task.runtime.host_health.MEMORY", Path("/nowhere"))
    monkeypatch.delattr("os.getloadavg")

    health = read_health()

    assert (health.load, health.memory_free_mib) == (None, None)
    assert health.disk_free_mib > 0


def test_one_message_at_a_time_waits_for_a_host_that_is_away() -> None:
    silence("web-1", timedelta(seconds=1))
    silence("web-2", timedelta(days=2))

    for _ in range(5):
        request_heartbeats.run()

    assert tasks(host_queue("web-1")) == [REPORT]
    assert tasks(host_queue("web-2")) == [REPORT]
    request_heartbeats.run()
    assert tasks(host_queue("web-1")) == [REPORT]


def test_each_host_is_asked_to_rotate_its_logs() -> None:
    silence("web-1", timedelta(seconds=1))
    silence("web-2", timedelta(seconds=1))

    request_log_rotation.run()

    assert [tasks(host_queue(name)) for name in ("web-1", "web-2")] == [[ROTATE], [ROTATE]]


def test_a_host_that_is_silent_for_a_week_is_removed_with_its_queue() -> None:
    silence("web-1", timedelta(days=6, hours=23))
    silence("web-2", timedelta(days=6, hours=23))
    request_heartbeats.run()
    silence("web-2", timedelta(days=7, seconds=1))

    request_heartbeats.run()

    assert [host.name for host in Host.objects.all()] == ["web-1"]
    assert (tasks(host_queue("web-1")), tasks(host_queue("web-2"))) == ([REPORT], [])


def test_a_host_does_its_own_work_and_no_other(start_host: StartHost, tmp_path: Path) -> None:
    start_host("web-1")
    start_host("web-2").end()
    for name in ("web-1", "web-2"):
        assert "host_registered" in (tmp_path / name / "logs" / "shop.log").read_text()
        silence(name, timedelta(hours=1))

    request_heartbeats.run()
    request_log_rotation.run()

    wait_until("web-1 has reported", lambda: reports_since("web-1", timedelta(minutes=1)))
    wait_until("web-1 has put its log away", lambda: list((tmp_path / "web-1" / "logs").glob("shop.log.*")))
    assert not reports_since("web-2", timedelta(minutes=1))
    assert sorted(tasks(host_queue("web-2"))) == [REPORT, ROTATE]
    assert list((tmp_path / "web-2" / "logs").glob("shop.log.*")) == []


def test_a_picture_reaches_every_host_at_once(start_host: StartHost, tmp_path: Path) -> None:
    for name in ("web-1", "web-2"):
        start_host(name)
    picture = upload()

    broadcast_picture(picture)

    for name in ("web-1", "web-2"):
        copy = tmp_path / name / "media" / picture
        wait_until(f"{name} has it", copy.exists)
        assert copy.read_bytes() == KETTLE


def test_a_host_that_was_away_catches_up_when_it_comes_back(start_host: StartHost, tmp_path: Path) -> None:
    start_host("web-1").end(signal.SIGKILL)
    picture = upload()
    broadcast_picture(picture)  # no worker consumes it
    copy = tmp_path / "web-1" / "media" / picture
    assert not copy.exists()

    start_host("web-1")

    wait_until("it has the picture", copy.exists)


def test_a_broadcast_that_got_lost_is_healed_by_the_next_report(start_host: StartHost, tmp_path: Path) -> None:
    start_host("web-1")
    picture = upload()  # and nothing is logged
    copy = tmp_path / "web-1" / "media" / picture

    request_heartbeats.run()

    wait_until("it has the picture", copy.exists)


@pytest.mark.skipif(ON_REDIS, reason="there the visibility time-out does it")
def test_what_a_lost_host_has_fetched_comes_back(start_host: StartHost) -> None:
    lost = start_host("web-1")
    wait_until("it has done what it had fetched", lambda: held_by_workers("host.web-1") == 0)
    lost.send(signal.SIGSTOP)
    request_heartbeats.run()
    wait_until("it has fetched that", lambda: held_by_workers("host.web-1") == 1)
    sent: list[str] = []

    def is_back() -> list[str]:
        sent.extend(tasks(host_queue("web-1")))
        return sent

    wait_until("the broker gives it up", is_back)

    assert sent == [REPORT]
