"""Host tasks: what each host does itself, and what every host does.

A host's own work waits in its own queue (`celery_task.queues.host_queue`), where nobody else hears it: one message at a
time, so that nothing piles up for a host that is gone, and a host that comes back finds it. What all hosts do at once
is a broadcast, which nobody keeps for those who are away: they catch up whenever they connect, and in their own work.
"""

from datetime import timedelta

import structlog
from celery import Task, bootsteps, shared_task
from celery.worker.consumer import Consumer
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models.functions import Now
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from celery_task.celery import app
from celery_task.queues import BROADCAST, host_queue
from celery_task.runtime.host_health import read_health
from celery_task.runtime.publishing import PUBLISH_OPTIONS
from seckill.catalog.pictures import write_local_copy, write_missing_copies
from seckill.monitoring.logs import rotate
from seckill.monitoring.models import Host

log = structlog.get_logger(__name__)

REMOVE_AFTER = timedelta(days=7)
RETRY_SECONDS = 5  # a host that starts before its database reports once that is there
ROTATION_EXPIRES_SECONDS = 6 * 3600


# --- From any worker to each host


@shared_task
def request_heartbeats() -> None:
    """Every fifteen seconds: have each host report; forget those that are silent for a week."""
    for host in Host.objects.filter(last_seen_at__lt=Now() - REMOVE_AFTER):
        _remove_host(host)
    for name in Host.objects.values_list("name", flat=True):
        if not _waiting(name):
            report_heartbeat.apply_async(queue=host_queue(name), **PUBLISH_OPTIONS)


@shared_task
def request_log_rotation() -> None:
    """Once a day: have each host put its logs away."""
    for name in Host.objects.values_list("name", flat=True):
        rotate_logs.apply_async(queue=host_queue(name), expires=ROTATION_EXPIRES_SECONDS, **PUBLISH_OPTIONS)


def _waiting(name: str) -> int:
    """How many messages a host has not fetched."""
    with app.pool.acquire(block=True) as connection:
        bound = host_queue(name)(connection.default_channel)
        bound.declare()
        return int(bound.queue_declare().message_count)


def _remove_host(host: Host) -> None:
    with app.pool.acquire(block=True) as connection:
        host_queue(host.name)(connection.default_channel).delete()
    host.delete()
    log.warning("host_removed", host=host.name)


# --- On the host


@shared_task(bind=True, max_retries=None)
def report_heartbeat(task: Task) -> None:
    """Say how this host is, and write the pictures it has missed."""
    health = read_health()
    try:
        _, is_new = Host.objects.update_or_create(
            name=settings.HOST,
            defaults={
                "last_seen_at": Now(),  # by the database's clock: nobody compares the clocks of two hosts
                "load": health.load,
                "memory_free_mib": health.memory_free_mib,
                "disk_free_mib": health.disk_free_mib,
            },
        )
        write_missing_copies()
    except (OperationalError, InterfaceError) as error:
        raise task.retry(exc=error, countdown=RETRY_SECONDS, queue=host_queue(settings.HOST)) from error
    if is_new:
        log.info("host_registered", host=settings.HOST)


@shared_task
def rotate_logs() -> None:
    """Put this host's logs of the day away."""
    if settings.LOG_DIR:
        rotate(settings.LOG_DIR, timezone.localdate())


@shared_task
def write_picture_copy(name: str) -> None:
    """Write this host's copy of a picture."""
    write_local_copy(name)


class ReportOnConnect(bootsteps.StartStopStep):
    """A worker that listens to its host's queue has connected, for the first time or again: the host reports."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Consumer) -> None:  # noqa: ARG002 (Celery's signature)
        """Report through the queue, like at any other time."""
        own = host_queue(settings.HOST)
        if own.name in {queue.name for queue in app.amqp.queues.consume_from.values()}:
            try:
                report_heartbeat.apply_async(queue=own, **PUBLISH_OPTIONS)
            except (BrokerError, OSError) as error:  # gone again; the next connection reports
                log.warning("heartbeat_on_connect_failed", host=settings.HOST, error=str(error))


app.steps["consumer"].add(ReportOnConnect)


# --- To all hosts


def broadcast_picture(name: str) -> None:
    """Have every web host write its copy of a picture now. Whoever does not hear it does so within a minute."""
    try:
        write_picture_copy.apply_async((name,), queue=BROADCAST, declare=[BROADCAST.exchange], **PUBLISH_OPTIONS)
    except (BrokerError, OSError) as error:
        log.warning("picture_broadcast_failed", picture=name, error=str(error))
