"""The admin: allowed changes of sales."""

import threading
from dataclasses import astuple
from datetime import datetime
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, connections, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from devtools.waiting import WAIT_SECONDS_MAX
from orders.reconciliation import sync_sale_to_redis
from seckill.accounts.models import User
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.keys import sale_keys
from seckill.line.line import Line
from tests.orders.crowd import await_waiter
from tests.web.admin.shop import act, busy_sale, change_url, new_sale, said, staff

pytestmark = pytest.mark.django_db(transaction=True)  # on_commit callbacks must run


def sale_form(sale: Sale, **changes: str | int) -> dict[str, str | int]:
    """Return the form data a browser sends from the change page."""
    return {
        "product": sale.product_id,
        "price": str(sale.price),
        "currency": sale.currency,
        "stock": sale.stock,
        "status": sale.status,
        "opens_at_0": f"{sale.opens_at:%Y-%m-%d}",
        "opens_at_1": f"{sale.opens_at:%H:%M:%S}",
        "closes_at_0": f"{sale.closes_at:%Y-%m-%d}",
        "closes_at_1": f"{sale.closes_at:%H:%M:%S}",
        "pay_within_seconds": sale.pay_within_seconds,
        "line_limit": sale.line_limit,
        **changes,
    }


def test_a_new_sale_is_in_the_line_at_once(admin_client: Client, line: Line) -> None:
    draft = new_sale()
    form = sale_form(draft, stock=31)
    draft.delete()
    said(admin_client.post(reverse("admin:catalog_sale_add"), form, follow=True))
    snapshot = line.run(commands.snapshot(Sale.objects.get().pk, lease_seconds=5))
    assert snapshot is not None
    assert (snapshot.stock_total, snapshot.stock, snapshot.status) == (31, 31, "open")


def test_saving_a_sale_moves_the_line_by_as_much(admin_client: Client, line: Line) -> None:
    sale = busy_sale(line)
    said(admin_client.post(change_url(sale), sale_form(sale, stock=12, line_limit=99), follow=True))
    snapshot = line.run(commands.snapshot(sale.pk, lease_seconds=60))
    assert snapshot is not None
    assert (snapshot.stock_total, snapshot.stock, snapshot.line_limit) == (12, 5, 99)
    sale.refresh_from_db()
    assert (sale.stock, sale.sold, sale.epoch) == (12, 6, 1)


def test_a_stock_below_what_is_sold_is_refused_with_a_message(admin_client: Client, line: Line) -> None:
    sale = busy_sale(line)
    page = admin_client.post(change_url(sale), sale_form(sale, stock=5))
    assert page.status_code == 200
    assert "6 units are already sold; the stock can&#x27;t be lower." in page.content.decode()
    assert 'data-figure="stock">7</dd>' in page.content.decode()
    sale.refresh_from_db()
    assert sale.stock == 7
    snapshot = line.run(commands.snapshot(sale.pk, lease_seconds=60))
    assert snapshot is not None
    assert snapshot.stock_total == 7
    said(admin_client.post(change_url(sale), sale_form(sale, stock=6), follow=True))
    sale.refresh_from_db()
    assert sale.stock == 6


def test_orders_written_while_a_sale_is_saved_are_counted(admin_user: User) -> None:
    """Three units are sold while the form is open, so lowering the stock to two is rejected with the count of three."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets one transaction write at a time: there is no race to be won")
    sale = new_sale()
    locked = threading.Event()

    def write_orders() -> None:
        with transaction.atomic():
            Sale.objects.select_for_update().get(pk=sale.pk)
            Sale.objects.filter(pk=sale.pk).update(sold=3)
            locked.set()
            await_waiter()
        connections.close_all()

    pages = []

    def lower_stock() -> None:
        client = Client()
        client.force_login(admin_user)
        pages.append(client.post(change_url(sale), sale_form(sale, stock=2)))
        connections.close_all()

    writer, shop = threading.Thread(target=write_orders), threading.Thread(target=lower_stock)
    writer.start()
    assert locked.wait(WAIT_SECONDS_MAX)
    shop.start()
    writer.join(WAIT_SECONDS_MAX)
    shop.join(WAIT_SECONDS_MAX)
    assert pages[0].status_code == 200
    assert "3 units are already sold" in pages[0].content.decode()
    sale.refresh_from_db()
    assert (sale.stock, sale.sold) == (7, 3)


@pytest.mark.usefixtures("redis_away")
def test_a_sale_is_saved_while_redis_is_away(admin_client: Client) -> None:
    sale = new_sale()
    messages = said(admin_client.post(change_url(sale), sale_form(sale, stock=9), follow=True))
    assert [text for text in messages if "Redis is unavailable" in text] == [
        "The change is saved, but Redis is unavailable. The line will use the change when Redis is back."
    ]
    sale.refresh_from_db()
    assert sale.stock == 9


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [("pause_sales", "open", "paused"), ("close_sales", "open", "closed"), ("open_sales", "paused", "open")],
)
def test_sales_are_opened_paused_and_closed_in_the_line_too(
    admin_client: Client, line: Line, action: str, before: str, after: str
) -> None:
    sales = [new_sale(status=before), new_sale(status=before)]
    same = new_sale(status=after)
    for sale in sales:
        sync_sale_to_redis(line, sale)
    messages = act(admin_client, "catalog_sale", action, [*sales, same])
    assert messages == [f"2 sales are {after} now.", f"1 sale was {after} already."]
    for sale in sales:
        sale.refresh_from_db()
        snapshot = line.run(commands.snapshot(sale.pk, lease_seconds=5))
        assert snapshot is not None
        assert (sale.status, snapshot.status) == (after, after)
    assert LogEntry.objects.count() == 2


@pytest.mark.usefixtures("redis_away")
def test_a_sale_is_paused_while_redis_is_away(admin_client: Client) -> None:
    sale = new_sale()
    assert act(admin_client, "catalog_sale", "pause_sales", [sale]) == [
        "1 sale is paused now.",
        "The change is saved, but Redis is unavailable. The line will use the change when Redis is back.",
    ]
    sale.refresh_from_db()
    assert sale.status == "paused"


@pytest.mark.parametrize("action", ["open_sales", "pause_sales", "close_sales"])
def test_an_ended_sale_stays_as_it_is(admin_client: Client, line: Line, action: str) -> None:
    ended_at = datetime(2026, 11, 11, 20, 15, tzinfo=timezone.get_default_timezone())
    sale = new_sale(ended_at=ended_at, status="closed" if action != "close_sales" else "open")
    assert act(admin_client, "catalog_sale", action, [sale]) == [
        f"{sale} ended (Nov. 11, 2026, 8:15 p.m.) and can't be changed or reopened."
    ]
    messages = said(admin_client.post(change_url(sale), sale_form(sale, stock=99, status="paused"), follow=True))
    assert messages == [f"{sale} ended (Nov. 11, 2026, 8:15 p.m.) and can't be changed or reopened."]
    status = sale.status
    sale.refresh_from_db()
    assert (sale.stock, sale.status) == (7, status)
    assert line.client.exists(*astuple(sale_keys(sale.pk))) == 0
    page = admin_client.get(change_url(sale)).content.decode()
    assert "can't be changed or reopened" in unescape(page)
    assert 'name="_save"' not in page


def test_sales_are_not_deleted_and_strangers_change_none(admin_client: Client) -> None:
    sale = new_sale()
    assert admin_client.post(reverse("admin:catalog_sale_delete", args=[sale.pk]), {"post": "yes"}).status_code == 403
    act(admin_client, "catalog_sale", "delete_selected", [sale])
    clerk = staff("view_sale")
    assert clerk.post(change_url(sale), sale_form(sale, stock=9)).status_code == 403
    act(clerk, "catalog_sale", "close_sales", [sale])
    sale.refresh_from_db()
    assert (sale.stock, sale.status) == (7, "open")


@pytest.mark.parametrize("object_id", ["999", "nonsense", "99999999999999999999"])
def test_a_sale_that_is_not_there_leads_back(admin_client: Client, object_id: str) -> None:
    url = reverse("admin:catalog_sale_change", args=[object_id])
    assert admin_client.get(url).status_code == 302
    assert admin_client.post(url, {}).status_code == 302
