"""System checks: relations between settings, constants and variables that must hold. ``manage.py check`` runs them.

``manage.py migrate`` runs them too, so a deployment stops at an error before the new code starts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 (Django's name)
from django.db import DatabaseError
from django.db.models import F

from seckill import conf
from seckill.catalog.models import Sale
from seckill.environment import READ_ELSEWHERE, env, unknown_variables

POLLS_TO_REJOIN = 2
HEARTBEATS_MISSED_MIN = 2
Apps = Sequence[AppConfig] | None


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation between numbers on which the shop relies."""

    id: str
    holds: Callable[[], bool]
    message: str
    hint: str


RELATIONS = (
    Relation(
        "seckill.E001",
        lambda: conf.EXPORT_CHUNK_SECONDS_MAX + conf.EXPORT_KILL_SECONDS < conf.VISIBILITY_SECONDS,
        "Writing a chunk of an export may take longer than Redis waits before it delivers the message again.",
        "EXPORT_CHUNK_SECONDS_MAX + EXPORT_KILL_SECONDS must be less than VISIBILITY_SECONDS,"
        " else two workers write one export.",
    ),
    Relation(
        "seckill.E002",
        lambda: conf.WEBHOOK_TIMEOUT_SECONDS + conf.WEBHOOK_RETRY_SECONDS_MAX < conf.OUTBOX_LEASE_SECONDS,
        "An event's lease may end before its next try renews it.",
        "WEBHOOK_TIMEOUT_SECONDS + WEBHOOK_RETRY_SECONDS_MAX must be less than OUTBOX_LEASE_SECONDS,"
        " else buyers are notified twice.",
    ),
    Relation(
        "seckill.E003",
        lambda: settings.RESERVATION_LEASE_SECONDS >= conf.DATABASE_TIMEOUT_SECONDS + conf.DOWNSTREAM_DELAY_SECONDS,
        "A reservation may be taken over while its first worker still writes its orders.",
        "RESERVATION_LEASE_SECONDS must be at least DATABASE_TIMEOUT_SECONDS + DOWNSTREAM_DELAY_SECONDS.",
    ),
    Relation(
        "seckill.E004",
        lambda: settings.CELERY_TASK_SOFT_TIME_LIMIT < settings.CELERY_TASK_TIME_LIMIT,
        "Celery kills a task before it interrupts it.",
        "CELERY_TASK_SOFT_TIME_LIMIT must be less than CELERY_TASK_TIME_LIMIT.",
    ),
    Relation(
        "seckill.E005",
        lambda: min(conf.VISIBILITY_SECONDS, settings.CELERY_TASK_SOFT_TIME_LIMIT) > conf.SETTLE_SECONDS_MAX,
        "A doorbell's task may be interrupted, or delivered again, while it settles.",
        "SETTLE_SECONDS_MAX must be less than VISIBILITY_SECONDS and CELERY_TASK_SOFT_TIME_LIMIT.",
    ),
    Relation(
        "seckill.E006",
        lambda: settings.SETTLE_CHUNK <= settings.SETTLE_CHUNK_MAX,
        "The usual reservation is larger than the largest one.",
        "SETTLE_CHUNK must be at most SETTLE_CHUNK_MAX.",
    ),
    Relation(
        "seckill.E007",
        lambda: conf.BEAT_RENEW_SECONDS * HEARTBEATS_MISSED_MIN <= conf.BEAT_LEASE_SECONDS,
        "A beat loses the lead when one heartbeat is late.",
        "BEAT_LEASE_SECONDS must be at least twice BEAT_RENEW_SECONDS.",
    ),
    Relation(
        "seckill.E008",
        lambda: conf.HOST_HEARTBEAT_SECONDS * HEARTBEATS_MISSED_MIN < conf.HOST_TIMEOUT_SECONDS,
        "A host is reported as silent when one heartbeat is late.",
        "HOST_TIMEOUT_SECONDS must be more than twice HOST_HEARTBEAT_SECONDS.",
    ),
    Relation(
        "seckill.E009",
        lambda: settings.REJOIN_SECONDS >= POLLS_TO_REJOIN * settings.POLL_AFTER_SECONDS,
        "After the line was lost, new buyers are admitted before ticket holders have polled twice.",
        "REJOIN_SECONDS must be at least twice POLL_AFTER_SECONDS, else early buyers lose their places.",
    ),
    Relation(
        "seckill.E010",
        lambda: conf.STALLED_SECONDS > settings.RESERVATION_LEASE_SECONDS,
        "A sale is reported as stalled while the reservation of a dead worker waits to be taken over.",
        "STALLED_SECONDS must be more than RESERVATION_LEASE_SECONDS.",
    ),
    Relation(
        "seckill.E011",
        lambda: conf.BANNERS_TTL_SECONDS > conf.BANNERS_REFRESH_SECONDS,
        "The banner list leaves the cache before beat refreshes it.",
        "BANNERS_TTL_SECONDS must be more than BANNERS_REFRESH_SECONDS.",
    ),
    Relation(
        "seckill.E012",
        lambda: conf.SESSION_COPY_SECONDS < settings.LOGIN_COOKIE_SECONDS,
        "A copy of an ended session may outlive its revocation.",
        "SESSION_COPY_SECONDS must be less than LOGIN_COOKIE_SECONDS.",
    ),
)


@register
def check_relations(app_configs: Apps, **_: object) -> list[CheckMessage]:  # noqa: ARG001 (Django's signature)
    """Return an error for each relation that does not hold."""
    return [Error(each.message, hint=each.hint, id=each.id) for each in RELATIONS if not each.holds()]


@register
def check_variables(app_configs: Apps, **_: object) -> list[CheckMessage]:  # noqa: ARG001 (Django's signature)
    """Warn about each variable with our prefix that nothing reads: most likely a misspelt or former name."""
    return [
        Warning(
            f"The environment variable {name} is unknown.",
            hint=f"Did you mean {close[0]}?"
            if (close := get_close_matches(name, env.names | READ_ELSEWHERE, n=1))
            else "All variables are listed in .env.example.",
            id="seckill.W001",
        )
        for name in unknown_variables()
    ]


@register(Tags.security, deploy=True)
def check_proxies(app_configs: Apps, **_: object) -> list[CheckMessage]:  # noqa: ARG001 (Django's signature)
    """Warn if TLS ends at a proxy that is not counted: all clients would share the limits of its address."""
    if not settings.HTTPS or settings.REST_FRAMEWORK["NUM_PROXIES"] >= 1:
        return []
    return [
        Warning(
            "SECKILL_HTTPS is set, so there is a proxy, but SECKILL_NUM_PROXIES is 0.",
            hint="Set SECKILL_NUM_PROXIES to the number of proxies: without it, all clients share one limit.",
            id="seckill.W002",
        )
    ]


@register(Tags.database)
def check_sales(app_configs: Apps, databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:  # noqa: ARG001 (Django's signature)
    """Warn about each unfinished sale whose line is shorter than its stock: it sells out with units left."""
    if not databases:
        return []
    try:
        sales = list(Sale.objects.filter(ended_at__isnull=True, line_limit__lt=F("stock")).values_list("pk", flat=True))
    except DatabaseError:  # before the first migration there is no table
        return []
    return [
        Warning(
            f"The longest line of sale {sale_id} is below its stock.",
            hint="Raise its line_limit: buyers after that place are told that the sale is sold out.",
            id="seckill.W003",
        )
        for sale_id in sales
    ]
