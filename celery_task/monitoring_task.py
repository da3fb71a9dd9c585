"""Monitoring tasks: run checks, mail alerts, probe queues."""

import time
from datetime import timedelta

import redis
import structlog
from celery import shared_task
from django.db.models.functions import Now
from django_redis.exceptions import ConnectionInterrupted

from celery_task.runtime import queue_probe
from celery_task.runtime.metrics import ALERTS_TOTAL
from celery_task.runtime.publishing import PUBLISH_OPTIONS
from celery_task.runtime.retries import RETRY_POLICY, TRANSIENT_ERRORS
from seckill.line.line import get_line
from seckill.monitoring.alerts import (
    CheckResult,
    Transition,
    apply_results,
    check_audits,
    check_lines,
    deliver,
    lease_unmailed,
    resolve_missing,
)
from seckill.monitoring.models import Alert, Host

log = structlog.get_logger(__name__)

HEARTBEAT_TIMEOUT_SECONDS = 60  # heartbeats are requested every 15 s


@shared_task
def run_checks() -> None:
    """Run all checks, log and count changed alerts, and send the mails (every 10 s)."""
    log_transitions(apply_results(check_audits()))
    log_transitions(apply_results(check_hosts()))
    try:
        log_transitions(apply_results(check_lines(get_line())))
    except (redis.RedisError, ConnectionInterrupted) as error:  # raised by the line, by the cache
        log.warning("lines_not_checked", error=str(error))
    for alert_id in lease_unmailed():
        mail_alert.apply_async((alert_id,), **PUBLISH_OPTIONS)


def check_hosts() -> list[CheckResult]:
    """Return one result per host: failed if its last heartbeat is older than `HEARTBEAT_TIMEOUT_SECONDS`.

    Ages are computed by the database's clock, which also stamped the heartbeats. Alerts about removed hosts get an OK
    result.
    """
    silent = set(Host.objects.filter(last_seen_at__lt=Now() - timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS)))
    results = [
        CheckResult(
            Alert.Kind.HOST_SILENT, f"host {host.name}", host in silent, f"last seen {host.last_seen_at:%H:%M:%S %Z}"
        )
        for host in Host.objects.all()
    ]
    return results + resolve_missing([Alert.Kind.HOST_SILENT], [result.subject for result in results])


def log_transitions(changes: list[Transition]) -> None:
    """Log raised and resolved alerts; count raised ones."""
    for change in changes:
        alert = change.alert
        if change.raised:
            ALERTS_TOTAL.labels(alert.kind).inc()
            log.error("alert_raised", kind=alert.kind, subject=alert.subject, detail=alert.detail)
        else:
            log.info("alert_resolved", kind=alert.kind, subject=alert.subject, started_at=str(alert.started_at))


@shared_task(autoretry_for=(OSError, *TRANSIENT_ERRORS), **RETRY_POLICY)
def mail_alert(alert_id: int) -> None:
    """Mail a raised or resolved alert to ``ADMINS``. A repeated task mails again only if a worker died in between.

    If the mail server stays unavailable, `run_checks` sends the task again.
    """
    deliver(alert_id)


@shared_task
def probe_queues() -> None:
    """Send a probe into each queue that has none (every 5 s). This task itself is the probe of `PROBE_QUEUE`."""
    queue_probe.mark_received(queue_probe.PROBE_QUEUE, time.time())
    waiting = queue_probe.queue_depths()
    for queue, probe in queue_probe.read_probes().items():
        if probe.is_due(waiting[queue]):
            at = time.time()
            receive_probe.apply_async((queue, at), queue=queue, **PUBLISH_OPTIONS)
            queue_probe.mark_sent(queue, at)


@shared_task
def receive_probe(queue: str, sent_at: float) -> None:
    """Record that a probe has passed its queue."""
    queue_probe.mark_received(queue, sent_at)
