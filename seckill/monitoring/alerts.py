"""Alert lifecycle: open on the first failed check, resolve on the first passed one, mail both at least once.

Checks return `CheckResult` objects. A check that can't run, because Redis does not answer or a sale is busy, returns no
result, so it neither opens nor resolves an alert.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.core.cache import cache
from django.core.mail import mail_admins
from django.db.models import F, Q
from django.utils import timezone

from orders.models import Audit
from seckill import conf
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.line import Line
from seckill.monitoring.models import Alert

STALLED_SECONDS = conf.STALLED_SECONDS
MARK_TTL_SECONDS = 3600
MAIL_LEASE_SECONDS = conf.MAIL_LEASE_SECONDS
MAILS_MAX = 100  # per run of the checks


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check: ``wrong`` or not."""

    kind: Alert.Kind
    subject: str
    wrong: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert that was opened (``raised``) or resolved."""

    alert: Alert
    raised: bool


def sale_subject(sale_id: int) -> str:
    """Return the subject of a sale's alerts."""
    return f"sale {sale_id}"


def apply_results(results: Iterable[CheckResult]) -> list[Transition]:
    """Open and resolve alerts.

    Return the alerts changed by this call. If several processes apply the same result at once, only one returns it.
    """
    known = {(alert.kind, alert.subject): alert for alert in Alert.objects.filter(resolved_at__isnull=True)}
    now = timezone.now()
    changes = []
    for result in results:
        alert = known.get((result.kind, result.subject))
        if result.wrong and alert is None:
            alert, made = Alert.objects.get_or_create(
                kind=result.kind,
                subject=result.subject,
                resolved_at=None,
                defaults={"started_at": now, "detail": result.detail},
            )
            if made:
                changes.append(Transition(alert, raised=True))
        elif alert and not result.wrong and _resolve(alert, now):
            changes.append(Transition(alert, raised=False))
    return changes


def _resolve(alert: Alert, at: datetime) -> bool:
    return bool(Alert.objects.filter(pk=alert.pk, resolved_at__isnull=True).update(resolved_at=at))


def resolve_missing(kinds: Iterable[Alert.Kind], subjects: Iterable[str]) -> list[CheckResult]:
    """Return passed results for open alerts of these kinds whose subject is not in ``subjects``, to resolve them."""
    rest = Alert.objects.filter(resolved_at__isnull=True, kind__in=kinds).exclude(subject__in=subjects)
    return [CheckResult(Alert.Kind(alert.kind), alert.subject, wrong=False) for alert in rest]


# --- Checks


def check_audits() -> list[CheckResult]:
    """Check the last audit of each sale for drift and contradictions.

    Drift is repaired at once, so the next audit that agrees resolves its alert; an audit that could not compare returns
    no drift result. Contradictions are also reported for sales that have ended.
    """
    results = []
    living = []
    for audit in Audit.objects.filter(Q(sale__ended_at__isnull=True) | Q(result=Audit.Result.CONTRADICTION)):
        subject = sale_subject(audit.sale_id)
        living.append(subject)
        contradicts = audit.result == Audit.Result.CONTRADICTION
        books = f"stock {audit.stock}, sold {audit.sold}, orders that hold a unit {audit.active_orders}"
        results.append(CheckResult(Alert.Kind.CONTRADICTION, subject, contradicts, books))
        if audit.result in {Audit.Result.DRIFT, Audit.Result.AGREES}:
            numbers = (
                f"units left: {audit.redis_stock} in the line, {audit.db_stock} in the ledger; "
                f"orders: {audit.outcomes} in the line, {audit.orders} in the ledger"
            )
            results.append(CheckResult(Alert.Kind.DRIFT, subject, audit.result == Audit.Result.DRIFT, numbers))
    return results + resolve_missing((Alert.Kind.DRIFT, Alert.Kind.CONTRADICTION), living)


def check_lines(line: Line) -> list[CheckResult]:
    """Check for stalled lines: buyers wait, units are left, and the pointer has not moved for `STALLED_SECONDS`.

    The cache stores each line's pointer between calls.

    Raises:
        redis.RedisError: the line can't be reached. Errors of the cache are raised too.
    """
    results = []
    living = list(Sale.objects.filter(ended_at__isnull=True).values_list("pk", flat=True))
    for sale_id in living:
        results += _check_line(line, sale_id)
    return results + resolve_missing([Alert.Kind.STALLED], map(sale_subject, living))


def _check_line(line: Line, sale_id: int) -> list[CheckResult]:
    key = f"stalled:{sale_id}"
    seen = line.run(commands.snapshot(sale_id))
    if seen is None:
        return []
    over = CheckResult(Alert.Kind.STALLED, sale_subject(sale_id), wrong=False)
    if not (seen.waiting and seen.stock > 0 and not seen.ended_ms):
        cache.delete(key)
        return [over]
    mark = cache.get(key)
    if mark is None or mark[:2] != [seen.epoch, seen.pointer]:
        cache.set(key, [seen.epoch, seen.pointer, seen.now_ms], MARK_TTL_SECONDS)
        return [over] if mark else []
    if seen.now_ms - mark[2] < STALLED_SECONDS * 1000:
        return []
    cache.touch(key, MARK_TTL_SECONDS)
    detail = f"{seen.waiting} wait behind place {seen.pointer}, and {seen.stock} units are left"
    return [CheckResult(Alert.Kind.STALLED, sale_subject(sale_id), wrong=True, detail=detail)]


# --- Mail

_UNMAILED = Q(mailed_at__isnull=True) | Q(mailed_at__lt=F("resolved_at"))


def lease_unmailed() -> list[int]:
    """Lease the alerts whose opening or end was not mailed, at most `MAILS_MAX`. Return their ids."""
    unmailed = Alert.objects.filter(_UNMAILED).order_by("pk")
    return [alert.pk for alert in unmailed.lease_pending(MAIL_LEASE_SECONDS, limit=MAILS_MAX)]


def deliver(alert_id: int) -> None:
    """Mail an alert's state to ``ADMINS``, unless that state was already mailed.

    If the worker dies between sending and recording, the mail is sent again.

    Raises:
        OSError: the mail server rejects the mail or can't be reached.
    """
    as_of = timezone.now()
    alert = Alert.objects.filter(_UNMAILED, pk=alert_id).first()
    if alert is None:
        return
    text = f"{alert.get_kind_display()}\n{alert.detail}\n\nSince {alert.started_at:%Y-%m-%d %H:%M:%S %Z}"
    if alert.resolved_at:
        text += f"\nResolved at {alert.resolved_at:%Y-%m-%d %H:%M:%S %Z}"
    mail_admins(
        f"{'Resolved' if alert.resolved_at else 'Alert'}: {alert}", f"{text}\n\n{settings.PUBLIC_BASE_URL}/admin/\n"
    )
    # Release the lease, so that an end that came during the mail can be mailed at once.
    Alert.objects.filter(pk=alert_id).update(mailed_at=as_of, locked_at=None)
