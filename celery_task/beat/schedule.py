"""Built-in schedules. Beat creates missing ones in the database; the operator may then change them there."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django_celery_beat.tzcrontab import TzAwareCrontab

from seckill import conf

TICK_EXPIRES_SECONDS = conf.TICK_EXPIRES_SECONDS

PROBE_INTERVAL_SECONDS = conf.PROBE_INTERVAL_SECONDS


def _every(seconds: int, task: str) -> dict[str, Any]:
    """Run a task every ``seconds``."""
    expires = max(TICK_EXPIRES_SECONDS, seconds)
    return {"task": task, "schedule": timedelta(seconds=seconds), "options": {"expire_seconds": expires}}


def _daily(hour: int, minute: int, task: str) -> dict[str, Any]:
    """Run a task once a day, at this local time (``TIME_ZONE``)."""
    at = TzAwareCrontab(minute=str(minute), hour=str(hour), tz=ZoneInfo(settings.TIME_ZONE))
    return {"task": task, "schedule": at, "options": {"expire_seconds": 6 * 3600}}


SCHEDULE: dict[str, dict[str, Any]] = {
    "ring-doorbells": _every(1, "celery_task.order_task.ring_doorbells"),
    "expire-unpaid-orders": _every(2, "celery_task.order_task.expire_unpaid_orders"),
    "reconcile-sales": _every(30, "celery_task.order_task.reconcile_sales"),
    "probe-queues": _every(PROBE_INTERVAL_SECONDS, "celery_task.monitoring_task.probe_queues"),
    "run-checks": _every(10, "celery_task.monitoring_task.run_checks"),
    "dispatch-events": _every(2, "celery_task.notification_task.dispatch_events"),
    "update-banner-list": _every(conf.BANNERS_REFRESH_SECONDS, "celery_task.home_task.update_banner_list"),
    "request-heartbeats": _every(conf.HOST_HEARTBEAT_SECONDS, "celery_task.host_task.request_heartbeats"),
    "rotate-logs": _daily(4, 20, "celery_task.host_task.request_log_rotation"),
    "delete-old-events": _daily(4, 20, "celery_task.notification_task.purge_events"),
    "clear-sessions": _daily(4, 10, "celery_task.user_task.clear_expired_sessions"),
    "resume-stalled-exports": _every(30, "celery_task.export_task.resume_stalled_exports"),
    "delete-old-exports": _daily(3, 40, "celery_task.export_task.purge_exports"),
}
