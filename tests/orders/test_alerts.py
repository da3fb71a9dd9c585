"""Alerts: opened once, unchanged while a check cannot run, resolved when the check passes, mailed until accepted."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.utils import timezone
from pytest_django import Settings

from orders.audit import run_audit
from orders.models import Audit
from orders.reconciliation import reconcile
from seckill.catalog.models import Sale
from seckill.line.line import Line
from seckill.monitoring import alerts
from seckill.monitoring.alerts import (
    CheckResult,
    Transition,
    apply_results,
    check_audits,
    check_lines,
    deliver,
    lease_unmailed,
)
from seckill.monitoring.models import Alert
from tests.conftest import MakeSale
from tests.orders.crowd import add_units_behind_its_back, at_once, join, reserve_and_die, sell, settle_all

pytestmark = pytest.mark.django_db(transaction=True)


def standing() -> list[tuple[str, str]]:
    """Return (kind, subject) of the open alerts."""
    return list(Alert.objects.filter(resolved_at__isnull=True).order_by("pk").values_list("kind", "subject"))


def changed(changes: list[Transition]) -> list[tuple[str, str, bool]]:
    """Return (kind, subject, raised) of each."""
    return [(change.alert.kind, change.alert.subject, change.raised) for change in changes]


def drift(subject: str, *, wrong: bool) -> CheckResult:
    return CheckResult(Alert.Kind.DRIFT, subject, wrong)


def once_all_have_looked(barrier: Barrier, *, wrong: bool) -> Iterator[CheckResult]:
    """Yield a result once all checks have started, so that none has seen the others' results."""
    barrier.wait()
    yield drift("sale 7", wrong=wrong)


def age_stall_records(line: Line, sale: Sale, seconds: float) -> None:
    """Move the time of the line's last progress this far into the past."""
    epoch, pointer, at_ms = cache.get(f"stalled:{sale.pk}")
    cache.set(f"stalled:{sale.pk}", [epoch, pointer, at_ms - seconds * 1000])
    assert line.client.exists(f"{{sale:{sale.pk}}}:meta")


# --- Opening and resolving


def test_what_is_found_twice_is_raised_once_and_what_is_over_is_ended_once() -> None:
    assert changed(apply_results([drift("sale 7", wrong=True), drift("sale 8", wrong=False)])) == [
        ("drift", "sale 7", True)
    ]
    assert apply_results([drift("sale 7", wrong=True)]) == []
    assert changed(apply_results([drift("sale 7", wrong=False)])) == [("drift", "sale 7", False)]
    assert apply_results([drift("sale 7", wrong=False)]) == []
    assert changed(apply_results([drift("sale 7", wrong=True)])) == [("drift", "sale 7", True)]  # a new alert

    assert Alert.objects.count() == 2
    assert standing() == [("drift", "sale 7")]


def test_of_eight_who_find_the_same_at_once_one_raises_it_and_one_ends_it() -> None:
    for wrong in (True, False):
        barrier = Barrier(8)
        told = at_once([partial(apply_results, once_all_have_looked(barrier, wrong=wrong)) for _ in range(8)])
        assert sorted(map(changed, told)) == [[]] * 7 + [[("drift", "sale 7", wrong)]]
    assert Alert.objects.count() == 1


# --- Audits


def test_drift_is_raised_although_it_was_repaired_and_ended_by_the_next_audit_that_agrees(
    make_sale: MakeSale, line: Line
) -> None:
    sale = make_sale(stock=2)
    sell(line, sale, "ann")
    add_units_behind_its_back(line, sale, 7)

    assert reconcile(line, sale.pk, by=Audit.By.BEAT).repaired
    apply_results(check_audits())
    assert standing() == [("drift", f"sale {sale.pk}")]
    assert "units left: 8 in the line, 1 in the ledger" in Alert.objects.get().detail

    reconcile(line, sale.pk, by=Audit.By.BEAT)
    apply_results(check_audits())
    assert standing() == []
    assert Alert.objects.count() == 1


def test_an_audit_that_could_not_compare_neither_raises_nor_ends(make_sale: MakeSale, line: Line) -> None:
    sale, quiet = make_sale(stock=2), make_sale(stock=2)
    add_units_behind_its_back(line, sale, 7)
    run_audit(line, sale.pk, by=Audit.By.BEAT)
    apply_results(check_audits())

    for busy in (sale, quiet):
        join(line, busy, "ann")
        reserve_and_die(line, busy, upto=1)
        assert run_audit(line, busy.pk, by=Audit.By.BEAT).result == Audit.Result.BUSY
    apply_results(check_audits())

    assert standing() == [("drift", f"sale {sale.pk}")]


def test_a_sale_that_ended_drifts_no_more_but_its_ledger_may_contradict_itself(make_sale: MakeSale, line: Line) -> None:
    drifting, contradictory = make_sale(stock=2), make_sale(stock=2)
    add_units_behind_its_back(line, drifting, 7)
    Sale.objects.filter(pk=contradictory.pk).update(sold=1)
    for sale in (drifting, contradictory):
        run_audit(line, sale.pk, by=Audit.By.BEAT)
    apply_results(check_audits())
    assert standing() == [("drift", f"sale {drifting.pk}"), ("contradiction", f"sale {contradictory.pk}")]

    Sale.objects.update(ended_at=timezone.now())
    apply_results(check_audits())
    assert standing() == [("contradiction", f"sale {contradictory.pk}")]

    Sale.objects.filter(pk=contradictory.pk).update(sold=0)
    run_audit(line, contradictory.pk, by=Audit.By.ADMIN)
    apply_results(check_audits())
    assert standing() == []


# --- Stalled lines


def test_a_line_that_does_not_move_for_fifteen_seconds_has_stalled_and_settling_ends_that(
    make_sale: MakeSale, line: Line
) -> None:
    sale = make_sale(stock=2)
    join(line, sale, "ann", "ben", "cleo")
    apply_results(check_lines(line))
    age_stall_records(line, sale, 5)
    apply_results(check_lines(line))
    assert standing() == []

    age_stall_records(line, sale, 10)
    apply_results(check_lines(line))
    assert standing() == [("stalled", f"sale {sale.pk}")]
    assert Alert.objects.get().detail == "3 wait behind place 0, and 2 units are left"

    settle_all(line, sale)
    apply_results(check_lines(line))
    assert standing() == []


def test_who_waits_for_units_that_are_not_there_is_no_stall(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    sell(line, sale, "ann", "ben")

    apply_results(check_lines(line))

    assert cache.get(f"stalled:{sale.pk}") is None
    assert standing() == []


def test_a_line_that_moves_slowly_has_not_stalled(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    join(line, sale, "ann", "ben", "cleo")
    apply_results(check_lines(line))
    age_stall_records(line, sale, 20)

    reserve_and_die(line, sale, upto=1)
    apply_results(check_lines(line))
    apply_results(check_lines(line))

    assert standing() == []


def test_what_the_cache_lost_and_what_is_not_loaded_resolves_nothing(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    join(line, sale, "ann")
    apply_results(check_lines(line))
    age_stall_records(line, sale, 15)
    apply_results(check_lines(line))

    cache.clear()
    apply_results(check_lines(line))
    apply_results(check_lines(line))
    line.invalidate(sale.pk)
    apply_results(check_lines(line))
    assert standing() == [("stalled", f"sale {sale.pk}")]

    Sale.objects.update(ended_at=timezone.now())
    apply_results(check_lines(line))
    assert standing() == []


# --- Delivery


@pytest.fixture
def _somebody(settings: Settings) -> None:
    settings.ADMINS = [("", "ops@shop.example")]


@pytest.mark.usefixtures("_somebody")
def test_an_alert_and_its_end_are_mailed_once_each() -> None:
    apply_results([drift("sale 7", wrong=True)])
    [pk] = lease_unmailed()
    assert lease_unmailed() == []  # another worker is delivering it
    deliver(pk)
    deliver(pk)
    assert lease_unmailed() == []

    apply_results([drift("sale 7", wrong=False)])
    assert lease_unmailed() == [pk]
    deliver(pk)
    deliver(pk)

    assert lease_unmailed() == []
    assert [message.subject for message in mail.outbox] == [
        "Alert: line and ledger differ: sale 7",
        "Resolved: line and ledger differ: sale 7",
    ]
    assert mail.outbox[0].to == ["ops@shop.example"]


@pytest.mark.usefixtures("_somebody")
def test_a_mail_nobody_took_is_tried_again_by_whoever_looks_after_the_lease(settings: Settings) -> None:
    apply_results([drift("sale 7", wrong=True)])
    [pk] = lease_unmailed()
    with pytest.MonkeyPatch.context() as away:
        away.setattr(alerts, "mail_admins", refuse)
        with pytest.raises(ConnectionRefusedError):
            deliver(pk)
    assert lease_unmailed() == []

    Alert.objects.update(locked_at=timezone.now() - timedelta(seconds=61))

    assert at_once([lease_unmailed] * 4).count([pk]) == 1
    deliver(pk)
    assert len(mail.outbox) == 1
    assert settings.ADMINS


@pytest.mark.usefixtures("_somebody")
def test_a_resolution_during_the_mail_of_the_alert_is_mailed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    apply_results([drift("sale 7", wrong=True)])
    [pk] = lease_unmailed()
    monkeypatch.setattr(alerts, "mail_admins", lambda *_: apply_results([drift("sale 7", wrong=False)]))
    deliver(pk)
    monkeypatch.undo()

    assert lease_unmailed() == [pk]
    deliver(pk)
    assert [message.subject for message in mail.outbox] == ["Resolved: line and ledger differ: sale 7"]


def refuse(*_: Any) -> None:
    raise ConnectionRefusedError
