"""Leases compare with the database's clock: a worker with a wrong clock neither keeps nor takes a row for that."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from orders import outbox
from orders.models import Event
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import sell


@pytest.mark.parametrize("off", [timedelta(hours=-7), timedelta(hours=7)], ids=["behind", "ahead"])
@pytest.mark.django_db
def test_a_clock_that_is_hours_off_changes_no_lease(make_sale: MakeSale, line: Line, off: timedelta) -> None:
    sell(line, make_sale(stock=1), "ann")
    with time_machine.travel(timezone.now() + off):
        [event] = outbox.lease_pending()

    assert outbox.lease_pending() == []
    with time_machine.travel(timezone.now() + off):
        assert outbox.lease_pending() == []
        assert outbox.renew_leases([event.pk]) == [event]

    Event.objects.update(locked_at=timezone.now() - timedelta(seconds=outbox.LEASE_SECONDS + 1))
    with time_machine.travel(timezone.now() + off):
        assert outbox.lease_pending() == [event]
