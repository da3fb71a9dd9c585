"""Alerts: what needs somebody. Raised once, ended when it is over, and told until it was heard.

Whoever looks gives findings (`CheckResult`). One that can't be made, because Redis does not answer or a sale is busy, is
left out, and an alert about it stays as it is: not knowing is no reason to raise one, nor to end one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.core.mail import mail_admins
from django.db.models import F, Q
from django.utils import timezone

from orders.models import Audit
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.line import Line
from seckill.monitoring.models import Alert

STALLED_SECONDS = 15  # the sweeper rings every second, and a claim is taken over after 5 s: this is no pause any more
MARK_TTL_SECONDS = 3600
MAIL_LEASE_SECONDS = 60  # longer than a teller tries; after that somebody else begins anew


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Something was looked at, and is wrong or is not."""

    kind: Alert.Kind
    subject: str
    wrong: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert that this look raised, or ended."""

    alert: Alert
    raised: bool


def sale_subject(sale_id: int) -> str:
    """The subject of a sale's alerts."""
    return f"sale {sale_id}"


def apply_results(findings: Iterable[CheckResult]) -> list[Transition]:
    """Raise what is wrong and not known, end what is over. Of several who find the same at once, one has changed it."""
    known = {(alert.kind, alert.subject): alert for alert in Alert.objects.filter(ended_at__isnull=True)}
    now = timezone.now()
    changes = []
    for finding in findings:
        alert = known.get((finding.kind, finding.subject))
        if finding.wrong and alert is None:
            alert, made = Alert.objects.get_or_create(
                kind=finding.kind,
                subject=finding.subject,
                ended_at=None,
                defaults={"since": now, "detail": finding.detail},
            )
            if made:
                changes.append(Transition(alert, raised=True))
        elif alert and not finding.wrong and _resolve(alert, now):
            changes.append(Transition(alert, raised=False))
    return changes


def _resolve(alert: Alert, at: datetime) -> bool:
    return bool(Alert.objects.filter(pk=alert.pk, ended_at__isnull=True).update(ended_at=at))


def resolve_missing(kinds: Iterable[Alert.Kind], subjects: Iterable[str]) -> list[CheckResult]:
    """Nothing is wrong any more with what is not there any more: ``subjects`` are those that are."""
    rest = Alert.objects.filter(ended_at__isnull=True, kind__in=kinds).exclude(subject__in=subjects)
    return [CheckResult(Alert.Kind(alert.kind), alert.subject, wrong=False) for alert in rest]


# --- What is looked for


def check_audits() -> list[CheckResult]:
    """What the last audits of the sales say.

    Drift is repaired at once: its alert ends with the next audit that agrees, and stays in the list. One that could not
    compare says nothing about it. A ledger that contradicts itself does so when its sale has ended, too.
    """
    findings = []
    living = []
    for audit in Audit.objects.filter(Q(sale__ended_at__isnull=True) | Q(result=Audit.Result.CONTRADICTION)):
        subject = sale_subject(audit.sale_id)
        living.append(subject)
        contradicts = audit.result == Audit.Result.CONTRADICTION
        books = f"stock {audit.stock}, sold {audit.sold}, orders that hold a unit {audit.active_orders}"
        findings.append(CheckResult(Alert.Kind.CONTRADICTION, subject, contradicts, books))
        if audit.result in {Audit.Result.DRIFT, Audit.Result.AGREES}:
            numbers = (
                f"units left: {audit.redis_stock} in the line, {audit.db_stock} in the ledger; "
                f"orders: {audit.outcomes} in the line, {audit.orders} in the ledger"
            )
            findings.append(CheckResult(Alert.Kind.DRIFT, subject, audit.result == Audit.Result.DRIFT, numbers))
    return findings + resolve_missing((Alert.Kind.DRIFT, Alert.Kind.CONTRADICTION), living)


def check_lines(line: Line) -> list[CheckResult]:
    """Whether buyers wait in a sale that has units for them, and nothing moves.

    Where each line stood before is in the cache, for whoever looks next. Raises redis.RedisError when the line can't be
    reached, and what the cache raises.
    """
    findings = []
    living = list(Sale.objects.filter(ended_at__isnull=True).values_list("pk", flat=True))
    for sale_id in living:
        findings += _check_line(line, sale_id)
    return findings + resolve_missing([Alert.Kind.STALLED], map(sale_subject, living))


def _check_line(line: Line, sale_id: int) -> list[CheckResult]:
    key = f"stalled:{sale_id}"
    seen = line.run(commands.snapshot(sale_id, lease_seconds=settings.RESERVATION_LEASE_SECONDS))
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


# --- Telling

_UNMAILED = Q(mailed_at__isnull=True) | Q(mailed_at__lt=F("ended_at"))


def lease_unmailed() -> list[int]:
    """The alerts whose beginning or end nobody was told of: they are the caller's for `MAIL_LEASE_SECONDS`."""
    now = timezone.now()
    free = Q(locked_at__isnull=True) | Q(locked_at__lt=now - timedelta(seconds=MAIL_LEASE_SECONDS))
    untold = Alert.objects.filter(_UNMAILED, free)
    return [pk for pk in untold.values_list("pk", flat=True) if untold.filter(pk=pk).update(locked_at=now)]


def deliver(alert_id: int) -> None:
    """Mail how it stands to ``ADMINS``, unless they know. Raises OSError when the mail server does not take it.

    Who is killed after mailing and before writing that down leaves it to be told a second time.
    """
    as_of = timezone.now()
    alert = Alert.objects.filter(_UNMAILED, pk=alert_id).first()
    if alert is None:
        return
    text = f"{alert.get_kind_display()}\n{alert.detail}\n\nSince {alert.since:%Y-%m-%d %H:%M:%S %Z}"
    if alert.ended_at:
        text += f"\nOver since {alert.ended_at:%Y-%m-%d %H:%M:%S %Z}"
    mail_admins(f"{'Over' if alert.ended_at else 'Alert'}: {alert}", f"{text}\n\n{settings.PUBLIC_BASE_URL}/admin/\n")
    # An end that came meanwhile is still untold, and need not wait for the lease.
    Alert.objects.filter(pk=alert_id).update(mailed_at=as_of, locked_at=None)
