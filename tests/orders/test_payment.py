"""Payment: an unpaid order becomes exactly one of paid, cancelled and expired."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from orders.expiry import expire_overdue_orders
from orders.models import Order
from orders.payment import OrderDecidedError, cancel, pay
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import at_once, sell, snapshot_of, sold


def overdue(order: Order, *, seconds: float = 1) -> Order:
    """Make the order overdue by this many seconds."""
    Order.objects.filter(pk=order.pk).update(pay_before=timezone.now() - timedelta(seconds=seconds))
    order.refresh_from_db()
    return order


@pytest.mark.django_db
def test_paying_an_order_keeps_its_unit(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    order = sell(line, sale, "ann")["ann"]
    before = timezone.now()

    paid = pay(order)

    assert (paid.status, paid.pk, paid.released_at) == (Order.Status.PAID, order.pk, None)
    assert paid.status_changed_at is not None
    assert before <= paid.status_changed_at <= timezone.now()
    assert (sold(sale), snapshot_of(line, sale).stock) == (1, 1)


@pytest.mark.django_db
def test_paying_twice_is_fine_and_changes_nothing(make_sale: MakeSale, line: Line) -> None:
    order = sell(line, make_sale(stock=1), "ann")["ann"]
    status_changed_at = pay(order).status_changed_at

    assert pay(Order.objects.get(pk=order.pk)).status_changed_at == status_changed_at

    assert sold(order.sale) == 1


@pytest.mark.django_db
def test_an_order_paid_in_time_stays_paid_when_paid_again_too_late(make_sale: MakeSale, line: Line) -> None:
    order = pay(sell(line, make_sale(stock=1), "ann")["ann"])

    assert pay(overdue(order)).status == Order.Status.PAID

    assert (expire_overdue_orders(), sold(order.sale)) == (0, 1)


@pytest.mark.django_db
def test_cancelling_gives_the_unit_back_to_the_ledger(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    orders = sell(line, sale, "ann", "ben")

    cancelled = cancel(orders["ann"])

    assert (cancelled.status, cancelled.released_at) == (Order.Status.CANCELLED, None)
    assert cancelled.status_changed_at is not None
    assert sold(sale) == 1
    assert snapshot_of(line, sale).stock == 0  # orders.expiry.release_units returns the unit later
    assert Order.objects.get(buyer="ben").status == Order.Status.PENDING


@pytest.mark.django_db
def test_cancelling_twice_gives_one_unit_back(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    order = sell(line, sale, "ann", "ben")["ann"]
    status_changed_at = cancel(order).status_changed_at

    assert cancel(Order.objects.get(pk=order.pk)).status_changed_at == status_changed_at

    assert sold(sale) == 1


@pytest.mark.django_db
def test_what_is_paid_can_not_be_cancelled(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    order = pay(sell(line, sale, "ann")["ann"])

    with pytest.raises(OrderDecidedError, match=f"order {order.number} is paid") as error:
        cancel(order)

    assert error.value.order.status == Order.Status.PAID
    assert (Order.objects.get().status, sold(sale)) == (Order.Status.PAID, 1)


@pytest.mark.django_db
def test_what_is_cancelled_can_not_be_paid(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    order = cancel(sell(line, sale, "ann")["ann"])

    with pytest.raises(OrderDecidedError, match="is cancelled"):
        pay(order)

    assert (Order.objects.get().status, sold(sale)) == (Order.Status.CANCELLED, 0)


@pytest.mark.django_db
def test_what_has_expired_can_be_neither_paid_nor_cancelled(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    order = overdue(sell(line, sale, "ann")["ann"])
    assert expire_overdue_orders() == 1
    status_changed_at = Order.objects.get().status_changed_at

    with pytest.raises(OrderDecidedError, match="is expired"):
        pay(order)
    with pytest.raises(OrderDecidedError, match="is expired"):
        cancel(order)

    assert (Order.objects.get().status, Order.objects.get().status_changed_at) == (
        Order.Status.EXPIRED,
        status_changed_at,
    )
    assert sold(sale) == 0


@pytest.mark.django_db
def test_an_order_whose_time_is_over_can_not_be_paid_even_before_the_sweep(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    order = overdue(sell(line, sale, "ann")["ann"], seconds=0)

    with pytest.raises(OrderDecidedError, match="is pending") as error:
        pay(order)

    assert error.value.order.status == Order.Status.PENDING
    assert (Order.objects.get().status, Order.objects.get().status_changed_at, sold(sale)) == (
        Order.Status.PENDING,
        None,
        1,
    )


@pytest.mark.django_db
def test_an_order_whose_time_is_over_may_still_be_cancelled(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    order = overdue(sell(line, sale, "ann")["ann"])

    assert cancel(order).status == Order.Status.CANCELLED

    assert (expire_overdue_orders(), sold(sale)) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_payment_begun_in_time_loses_when_the_sweep_comes_first(
    make_sale: MakeSale, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payment has read the clock; before its UPDATE the deadline passes and the sweep expires the order."""
    sale = make_sale(stock=1)
    order = sell(line, sale, "ann")["ann"]
    expired: list[int] = []

    def read_the_clock_and_let_the_sweep_pass() -> datetime:
        read = timezone.now()
        Order.objects.filter(pk=order.pk).update(pay_before=read + timedelta(microseconds=1))
        expired.extend(at_once([expire_overdue_orders]))
        return read

    monkeypatch.setattr("orders.payment.timezone", SimpleNamespace(now=read_the_clock_and_let_the_sweep_pass))
    with pytest.raises(OrderDecidedError, match="is expired"):
        pay(order)

    assert expired == [1]
    assert (Order.objects.get().status, sold(sale)) == (Order.Status.EXPIRED, 0)
