"""Watching tasks: one beat says when, one worker looks, and what it found is told."""

import time
from datetime import timedelta

import redis
import structlog
from celery import shared_task
from django.db import OperationalError
from django.db.models.functions import Now
from django_redis.exceptions import ConnectionInterrupted

from celery_task.runtime import backlog
from celery_task.runtime.metrics import ALERTS
from celery_task.runtime.publishing import PUBLISH
from seckill.line.line import get_line
from seckill.monitoring.alerts import Change, Finding, claim_untold, gone, judge, look_at_audits, look_at_lines, tell
from seckill.monitoring.models import Alert, Host

log = structlog.get_logger(__name__)

HOST_SILENT_SECONDS = 60  # it is asked to report every 15 s


@shared_task
def watch() -> None:
    """Every ten seconds: look whether something needs somebody, and have it told."""
    note(judge(look_at_audits()))
    note(judge(look_at_hosts()))
    try:
        note(judge(look_at_lines(get_line())))
    except (redis.RedisError, ConnectionInterrupted) as error:  # the line, the cache
        log.warning("lines_not_watched", error=str(error))
    for alert_id in claim_untold():
        tell_alert.apply_async((alert_id,), **PUBLISH)


def look_at_hosts() -> list[Finding]:
    """Whether a host has been silent for too long, by the clock of the database, which stamped its last report.

    One that was forgotten is no host any more.
    """
    silent = set(Host.objects.filter(seen_at__lt=Now() - timedelta(seconds=HOST_SILENT_SECONDS)))
    findings = [
        Finding(Alert.Kind.HOST_SILENT, f"host {host.name}", host in silent, f"last seen {host.seen_at:%H:%M:%S %Z}")
        for host in Host.objects.all()
    ]
    return findings + gone([Alert.Kind.HOST_SILENT], [finding.subject for finding in findings])


def note(changes: list[Change]) -> None:
    """Log and count what changed."""
    for change in changes:
        alert = change.alert
        if change.raised:
            ALERTS.labels(alert.kind).inc()
            log.error("alert_raised", kind=alert.kind, subject=alert.subject, detail=alert.detail)
        else:
            log.info("alert_ended", kind=alert.kind, subject=alert.subject, since=str(alert.since))


# The mail server may be away for long: after these `watch` sends it anew, so that no message is held for longer than
# Redis waits before it delivers it again.
@shared_task(
    autoretry_for=(OSError, OperationalError), retry_backoff=1, retry_backoff_max=16, retry_jitter=True, max_retries=5
)
def tell_alert(alert_id: int) -> None:
    """Mail an alert, or its end, to ``ADMINS``. Twice tells it once, unless a worker died in between."""
    tell(alert_id)


@shared_task
def sound_queues() -> None:
    """Every five seconds: send a sounding into each queue that has none. That this runs is the sounding of its own."""
    backlog.note_heard(backlog.HOME, time.time())
    waiting = backlog.depths()
    for queue, sounding in backlog.soundings().items():
        if sounding.is_due(waiting[queue]):
            at = time.time()
            hear.apply_async((queue, at), queue=queue, **PUBLISH)
            backlog.note_sent(queue, at)


@shared_task
def hear(queue: str, sent_at: float) -> None:
    """A sounding came through its queue."""
    backlog.note_heard(queue, sent_at)
