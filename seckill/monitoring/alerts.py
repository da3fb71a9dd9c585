"""Alerts: what needs somebody. Raised once, ended when it is over, and told until it was heard.

Whoever looks gives findings (`Finding`). One that can't be made, because Redis does not answer or a sale is busy, is
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
from seckill.line import verbs
from seckill.line.line import Line
from seckill.monitoring.models import Alert

STALLED_SECONDS = 15  # the sweeper rings every second, and a claim is taken over after 5 s: this is no pause any more
MARK_KEPT_SECONDS = 3600
TELLING_LEASE_SECONDS = 60  # longer than a teller tries; after that somebody else begins anew


@dataclass(frozen=True, slots=True)
class Finding:
    """Something was looked at, and is wrong or is not."""

    kind: Alert.Kind
    subject: str
    wrong: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """An alert that this look raised, or ended."""

    alert: Alert
    raised: bool


def about(sale_id: int) -> str:
    """The subject of a sale's alerts."""
    return f"sale {sale_id}"


def judge(findings: Iterable[Finding]) -> list[Change]:
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
                changes.append(Change(alert, raised=True))
        elif alert and not finding.wrong and _end(alert, now):
            changes.append(Change(alert, raised=False))
    return changes


def _end(alert: Alert, at: datetime) -> bool:
    return bool(Alert.objects.filter(pk=alert.pk, ended_at__isnull=True).update(ended_at=at))


def gone(kinds: Iterable[Alert.Kind], subjects: Iterable[str]) -> list[Finding]:
    """Nothing is wrong any more with what is not there any more: ``subjects`` are those that are."""
    rest = Alert.objects.filter(ended_at__isnull=True, kind__in=kinds).exclude(subject__in=subjects)
    return [Finding(Alert.Kind(alert.kind), alert.subject, wrong=False) for alert in rest]


# --- What is looked for


def look_at_audits() -> list[Finding]:
    """What the last audits of the sales say.

    Drift is repaired at once: its alert ends with the next audit that agrees, and stays in the list. One that could not
    compare says nothing about it. A ledger that contradicts itself does so when its sale has ended, too.
    """
    findings = []
    living = []
    for audit in Audit.objects.filter(Q(sale__ended_at__isnull=True) | Q(result=Audit.Result.CONTRADICTION)):
        subject = about(audit.sale_id)
        living.append(subject)
        contradicts = audit.result == Audit.Result.CONTRADICTION
        books = f"stock {audit.stock}, sold {audit.sold}, orders that hold a unit {audit.holding}"
        findings.append(Finding(Alert.Kind.CONTRADICTION, subject, contradicts, books))
        if audit.result in {Audit.Result.DRIFT, Audit.Result.AGREES}:
            numbers = (
                f"units left: {audit.left_in_line} in the line, {audit.left_in_ledger} in the ledger; "
                f"orders: {audit.outcomes} in the line, {audit.orders} in the ledger"
            )
            findings.append(Finding(Alert.Kind.DRIFT, subject, audit.result == Audit.Result.DRIFT, numbers))
    return findings + gone((Alert.Kind.DRIFT, Alert.Kind.CONTRADICTION), living)


def look_at_lines(line: Line) -> list[Finding]:
    """Whether buyers wait in a sale that has units for them, and nothing moves.

    Where each line stood before is in the cache, for whoever looks next. Raises redis.RedisError when the line can't be
    reached, and what the cache raises.
    """
    findings = []
    living = list(Sale.objects.filter(ended_at__isnull=True).values_list("pk", flat=True))
    for sale_id in living:
        findings += _look_at_line(line, sale_id)
    return findings + gone([Alert.Kind.STALLED], map(about, living))


def _look_at_line(line: Line, sale_id: int) -> list[Finding]:
    key = f"stalled:{sale_id}"
    seen = line.run(verbs.snapshot(sale_id, lease_seconds=settings.CLAIM_LEASE_SECONDS))
    if seen is None:
        return []
    over = Finding(Alert.Kind.STALLED, about(sale_id), wrong=False)
    if not (seen.waiting and seen.stock > 0 and not seen.ended_ms):
        cache.delete(key)
        return [over]
    mark = cache.get(key)
    if mark is None or mark[:2] != [seen.epoch, seen.pointer]:
        cache.set(key, [seen.epoch, seen.pointer, seen.now_ms], MARK_KEPT_SECONDS)
        return [over] if mark else []
    if seen.now_ms - mark[2] < STALLED_SECONDS * 1000:
        return []
    cache.touch(key, MARK_KEPT_SECONDS)
    detail = f"{seen.waiting} wait behind place {seen.pointer}, and {seen.stock} units are left"
    return [Finding(Alert.Kind.STALLED, about(sale_id), wrong=True, detail=detail)]


# --- Telling

_UNTOLD = Q(told_at__isnull=True) | Q(told_at__lt=F("ended_at"))


def claim_untold() -> list[int]:
    """The alerts whose beginning or end nobody was told of: they are the caller's for `TELLING_LEASE_SECONDS`."""
    now = timezone.now()
    free = Q(told_from__isnull=True) | Q(told_from__lt=now - timedelta(seconds=TELLING_LEASE_SECONDS))
    untold = Alert.objects.filter(_UNTOLD, free)
    return [pk for pk in untold.values_list("pk", flat=True) if untold.filter(pk=pk).update(told_from=now)]


def tell(alert_id: int) -> None:
    """Mail how it stands to ``ADMINS``, unless they know. Raises OSError when the mail server does not take it.

    Who is killed after mailing and before writing that down leaves it to be told a second time.
    """
    as_of = timezone.now()
    alert = Alert.objects.filter(_UNTOLD, pk=alert_id).first()
    if alert is None:
        return
    text = f"{alert.get_kind_display()}\n{alert.detail}\n\nSince {alert.since:%Y-%m-%d %H:%M:%S %Z}"
    if alert.ended_at:
        text += f"\nOver since {alert.ended_at:%Y-%m-%d %H:%M:%S %Z}"
    mail_admins(f"{'Over' if alert.ended_at else 'Alert'}: {alert}", f"{text}\n\n{settings.PUBLIC_BASE_URL}/admin/\n")
    # An end that came meanwhile is still untold, and need not wait for the lease.
    Alert.objects.filter(pk=alert_id).update(told_at=as_of, told_from=None)
