"""Tasks that run on every host: heartbeats, log rotation, picture copies.

Each host has its own durable queue (`celery_task.queues.host_queue`) that only its worker consumes. At most one
heartbeat request waits in it, so messages don't pile up for a host that is down. Broadcast messages are not stored for
disconnected hosts; these catch up when they reconnect, with their next heartbeat.
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
RETRY_SECONDS = 5  # for a host that starts before its database
ROTATION_EXPIRES_SECONDS = 6 * 3600


# --- Sent by any worker, to each host


@shared_task
def request_heartbeats() -> None:
    """Request a heartbeat from each host; remove hosts that were silent for a week (every 15 s)."""
    for host in Host.objects.filter(last_seen_at__lt=Now() - REMOVE_AFTER):
        _remove_host(host)
    for name in Host.objects.values_list("name", flat=True):
        if not _queue_length(name):
            report_heartbeat.apply_async(queue=host_queue(name), **PUBLISH_OPTIONS)


@shared_task
def request_log_rotation() -> None:
    """Request log rotation from each host (daily)."""
    for name in Host.objects.values_list("name", flat=True):
        rotate_logs.apply_async(queue=host_queue(name), expires=ROTATION_EXPIRES_SECONDS, **PUBLISH_OPTIONS)


def _queue_length(name: str) -> int:
    """Return the number of messages in a host's queue."""
    with app.pool.acquire(block=True) as connection:
        bound = host_queue(name)(connection.default_channel)
        bound.declare()
        return int(bound.queue_declare().message_count)


def _remove_host(host: Host) -> None:
    with app.pool.acquire(block=True) as connection:
        host_queue(host.name)(connection.default_channel).delete()
    host.delete()
    log.warning("host_removed", host=host.name)


# --- Run on the host


# Without the limit of `RETRY_POLICY`: only this task registers a new host, however long the database is away.
@shared_task(bind=True, max_retries=None)
def report_heartbeat(task: Task) -> None:
    """Record this host's health, and write the picture copies that it lacks."""
    health = read_health()
    try:
        _, is_new = Host.objects.update_or_create(
            name=settings.HOST,
            defaults={
                "last_seen_at": Now(),  # the database's clock: clocks of hosts are never compared
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
    """Rotate this host's log files, if it writes any (``LOG_DIR``)."""
    if settings.LOG_DIR:
        rotate(settings.LOG_DIR, timezone.localdate())


@shared_task
def write_picture_copy(name: str) -> None:
    """Copy a picture from the database to this host's disk."""
    write_local_copy(name)


class ReportOnConnect(bootsteps.StartStopStep):
    """Worker step that requests a heartbeat from this host each time the worker connects to the broker.

    Only in workers that consume their host's queue.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Consumer) -> None:  # noqa: ARG002 (Celery's signature)
        """Send the heartbeat task to this host's own queue."""
        own = host_queue(settings.HOST)
        if own.name in {queue.name for queue in app.amqp.queues.consume_from.values()}:
            try:
                report_heartbeat.apply_async(queue=own, **PUBLISH_OPTIONS)
            except (BrokerError, OSError) as error:  # the next connection retries
                log.warning("heartbeat_on_connect_failed", host=settings.HOST, error=str(error))


app.steps["consumer"].add(ReportOnConnect)


# --- Broadcast to all hosts


def broadcast_picture(name: str) -> None:
    """Have every host copy a picture to its disk. Hosts that miss the message do so with their next heartbeat."""
    try:
        write_picture_copy.apply_async((name,), queue=BROADCAST, declare=[BROADCAST.exchange], **PUBLISH_OPTIONS)
    except (BrokerError, OSError) as error:
        log.warning("picture_broadcast_failed", picture=name, error=str(error))
