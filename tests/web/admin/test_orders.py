"""The admin: orders, users and groups."""

from datetime import datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from unfold.forms import AdminPasswordChangeForm

from orders import payment
from orders.models import Order
from seckill.accounts.models import User
from seckill.backoffice import orders as order_admin
from tests.web.admin.shop import act, found, new_orders, new_sale, row, said, staff

pytestmark = pytest.mark.django_db(transaction=True)  # on_commit callbacks must run


def test_orders_can_be_neither_added_nor_changed_nor_deleted(admin_client: Client) -> None:
    (order,) = new_orders(new_sale(), ["b1"])
    change = reverse("admin:orders_order_change", args=[order.pk])
    assert admin_client.get(reverse("admin:orders_order_add")).status_code == 403
    assert admin_client.post(change, {"status": "paid", "buyer": "thief"}).status_code == 403
    assert admin_client.post(reverse("admin:orders_order_delete", args=[order.pk]), {"post": "yes"}).status_code == 403
    act(admin_client, "orders_order", "delete_selected", [order])
    page = admin_client.get(change)
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    order.refresh_from_db()
    assert (order.status, order.buyer) == ("pending", "b1")


def test_only_orders_to_be_paid_are_cancelled(admin_client: Client) -> None:
    sale = new_sale()
    orders = new_orders(sale, ["b1", "b2", "b3", "b4", "b5"])
    payment.pay(orders[0])
    payment.cancel(orders[1])
    Order.objects.filter(pk=orders[2].pk).update(status=Order.Status.EXPIRED)
    assert act(admin_client, "orders_order", "cancel_orders", orders) == [
        "2 orders were cancelled.",
        "3 orders were not cancelled: only unpaid orders can be cancelled.",
    ]
    assert list(Order.objects.order_by("place").values_list("status", flat=True)) == [
        "paid",
        "cancelled",
        "expired",
        "cancelled",
        "cancelled",
    ]
    sale.refresh_from_db()
    assert sale.sold == 2  # 5 orders, less one cancelled before and two cancelled now
    assert LogEntry.objects.count() == 2


def test_an_order_paid_a_moment_ago_is_not_cancelled(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = new_orders(new_sale(), ["b1", "b2"])

    def pay_first(order: Order) -> Order:
        if order.pk == first.pk:
            payment.pay(Order.objects.get(pk=order.pk))
        return payment.cancel(order)

    monkeypatch.setattr(order_admin, "cancel", pay_first)
    assert act(admin_client, "orders_order", "cancel_orders", [first, second]) == [
        "1 order was cancelled.",
        "1 order was not cancelled: only unpaid orders can be cancelled.",
    ]
    first.refresh_from_db()
    assert first.status == "paid"


def test_who_may_only_look_at_orders_cancels_none() -> None:
    (order,) = new_orders(new_sale(), ["b1"])
    clerk = staff("view_order")
    act(clerk, "orders_order", "cancel_orders", [order])
    order.refresh_from_db()
    assert order.status == "pending"


def test_orders_are_filtered_by_sale_status_and_day(admin_client: Client) -> None:
    day = datetime(2026, 11, 11, 23, 59, 59, tzinfo=timezone.get_default_timezone())
    kettles, pots = new_sale(), new_sale()
    new_orders(kettles, ["b1"], created_at=day)
    new_orders(kettles, ["b2"], first_place=2, created_at=day + timedelta(seconds=1), status="paid")
    new_orders(pots, ["b3"], created_at=day - timedelta(days=1))
    assert found(admin_client, {}) == ["b3", "b2", "b1"]
    assert found(admin_client, {"sale__id__exact": kettles.pk}) == ["b2", "b1"]
    assert found(admin_client, {"status__exact": ["paid"]}) == ["b2"]
    assert found(admin_client, {"status__exact": ["paid", "pending"]}) == ["b3", "b2", "b1"]
    assert found(admin_client, {"created_at_from": "2026-11-11", "created_at_to": "2026-11-11"}) == ["b1"]
    assert found(admin_client, {"created_at_from": "2026-11-11"}) == ["b2", "b1"]
    assert found(admin_client, {"created_at_to": "2026-11-11"}) == ["b3", "b1"]
    assert found(admin_client, {"created_at_to": "9999-12-31"}) == ["b3", "b2", "b1"]
    assert found(admin_client, {"created_at_from": "never", "created_at_to": "2026-02-31"}) == ["b3", "b2", "b1"]


def test_orders_are_found_by_number_by_buyer_and_by_username(admin_client: Client) -> None:
    sale = new_sale(stock=20)
    alice, alison = (User.objects.create_user(name) for name in ("alice", "alison"))
    new_orders(sale, [alice.buyer_id, alison.buyer_id, "x:9", "visitor-17", "visitor-18"])
    Order.objects.filter(buyer="visitor-17").update(number="7K2Q-M01D-4TPA")
    assert found(admin_client, {"q": "7K2Q-M01D-4TPA"}) == ["visitor-17"]
    assert found(admin_client, {"q": "7k2qmoid4tpa"}) == ["visitor-17"]  # as dictated on the telephone
    assert found(admin_client, {"q": "7k2q-m"}) == ["visitor-17"]
    assert found(admin_client, {"q": "visitor-18"}) == ["visitor-18"]
    assert found(admin_client, {"q": "visitor"}) == ["visitor-18", "visitor-17"]
    assert found(admin_client, {"q": alice.buyer_id}) == [alice.buyer_id]
    assert found(admin_client, {"q": "ALICE"}) == [alice.buyer_id]
    assert found(admin_client, {"q": "ali"}) == [alison.buyer_id, alice.buyer_id]
    assert found(admin_client, {"q": "visitor 7k2q"}) == ["visitor-17"]
    assert found(admin_client, {"q": "nobody"}) == []
    cells = row(admin_client.get(reverse("admin:orders_order_changelist")), f">{alice.buyer_id}<")
    assert cells["user"] == "alice"


def test_a_username_that_is_part_of_too_many_says_so(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_admin, "USERS_MAX", 2)
    users = [User.objects.create_user(name) for name in ("clone-long", "clone", "clone-x")]
    new_orders(new_sale(), [user.buyer_id for user in users])
    page = admin_client.get(reverse("admin:orders_order_changelist"), {"q": "clone"})
    assert said(page) == ["More than 2 user names contain “clone”; not all of their orders are shown."]
    assert [order.buyer for order in page.context["cl"].result_list] == [users[2].buyer_id, users[1].buyer_id]


def test_a_long_ledger_is_counted_no_further_than_it_is_shown(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_admin, "COUNT_MAX", 100)
    url = reverse("admin:orders_order_changelist")
    sale = new_sale(stock=200)
    new_orders(sale, [f"b{number}" for number in range(100)])
    page = admin_client.get(url)
    assert (page.context["cl"].result_count, page.context["cl"].paginator.num_pages) == (100, 2)
    assert "search or filter to find" not in page.content.decode()
    new_orders(sale, ["b100", "b101"], first_place=101)
    with CaptureQueriesContext(connection) as captured:
        page = admin_client.get(url)
    assert (page.context["cl"].result_count, page.context["cl"].paginator.num_pages) == (100, 2)
    assert "newest 100 orders; search or filter to find older ones" in page.content.decode()
    counts = [query["sql"] for query in captured if "COUNT(" in query["sql"]]
    assert len(counts) == 1
    assert "LIMIT 101" in counts[0]


@pytest.mark.parametrize(
    "page", ["accounts_user_changelist", "accounts_user_add", "auth_group_changelist", "auth_group_add"]
)
def test_users_and_batches_are_still_there(admin_client: Client, page: str) -> None:
    assert admin_client.get(reverse(f"admin:{page}")).status_code == 200


def test_a_user_is_added_and_given_another_password(admin_client: Client) -> None:
    form = {"username": "clerk", "usable_password": "true", "password1": "kettle-9-Pot", "password2": "kettle-9-Pot"}
    said(admin_client.post(reverse("admin:accounts_user_add"), form, follow=True))
    clerk = User.objects.get(username="clerk")
    assert clerk.check_password("kettle-9-Pot")
    url = reverse("admin:auth_user_password_change", args=[clerk.pk])
    assert isinstance(admin_client.get(url).context["form"], AdminPasswordChangeForm)
    said(admin_client.post(url, {**form, "password1": "spoon-8-Pan", "password2": "spoon-8-Pan"}, follow=True))
    clerk.refresh_from_db()
    assert clerk.check_password("spoon-8-Pan")
