"""The admin: sales and their lines, banners and the cached list, orders and the ledger."""

import re
import threading
from collections.abc import Iterator
from dataclasses import astuple
from datetime import datetime, timedelta
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections, transaction
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from PIL import Image
from pytest_django import Settings
from unfold.forms import AdminPasswordChangeForm

from devtools.embedded.ports import free_port
from devtools.embedded.shop import WAIT_SECONDS_MAX
from orders import payment
from orders.audit import run_audit
from orders.models import Audit, Order
from orders.reconciliation import reconcile, sync_sale_to_redis
from orders.settlement import settle
from seckill.accounts.models import User
from seckill.backoffice import orders as order_admin
from seckill.catalog.banners import BANNERS_KEY
from seckill.catalog.models import Banner, Product, Sale
from seckill.line import commands
from seckill.line.command import Command
from seckill.line.keys import sale_keys
from seckill.line.line import Line, get_line
from tests.orders.crowd import await_waiter

IN_LINE = ("state", "remaining", "reserved", "admitted", "pointer")  # columns read from Redis only

pytestmark = pytest.mark.django_db(transaction=True)  # on_commit callbacks must run


# --- A shop with a real Valkey


@pytest.fixture
def redis_away(settings: Settings) -> Iterator[None]:
    """The addresses of line and cache refuse connections."""
    port = free_port()
    settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": f"redis://127.0.0.1:{port}/1"}}
    get_line.cache_clear()
    yield
    get_line.cache_clear()


def new_sale(**fields: Any) -> Sale:
    """An open sale of 7 kettles."""
    product, _ = Product.objects.get_or_create(name="Kettle")
    now = timezone.now()
    return Sale.objects.create(
        **{
            "product": product,
            "price": "19.90",
            "stock": 7,
            "opens_at": now - timedelta(hours=1),
            "closes_at": now + timedelta(hours=1),
            **fields,
        }
    )


def new_orders(sale: Sale, buyers: list[str], *, first_place: int = 1, **fields: Any) -> list[Order]:
    """Write one unpaid order for each buyer."""
    now = timezone.now()
    orders = Order.objects.bulk_create(
        Order(
            **{
                "sale": sale,
                "buyer": buyer,
                "place": place,
                "price": sale.price,
                "currency": "USD",
                "created_at": now,
                "pay_before": now + timedelta(minutes=15),
                **fields,
            }
        )
        for place, buyer in enumerate(buyers, start=first_place)
    )
    Sale.objects.filter(pk=sale.pk).update(sold=F("sold") + len(orders))
    return orders


def busy_sale(line: Line) -> Sale:
    """7 units, 10 buyers: 6 places are settled (2 of them paid), 1 is reserved, 3 wait."""
    sale = new_sale()
    sync_sale_to_redis(line, sale)
    line.run(commands.admit(sale.pk, [f"b{number}" for number in range(1, 11)]))
    settle(line, sale.pk, 6)
    line.run(commands.reserve(sale.pk, "slow worker", upto=10, chunk=500, lease_seconds=60))
    for order in Order.objects.order_by("place")[:2]:
        payment.pay(order)
    sale.refresh_from_db()
    return sale


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


def change_url(sale: Sale) -> str:
    return reverse("admin:catalog_sale_change", args=[sale.pk])


def act(client: Client, model: str, action: str, objects: list[Any]) -> list[str]:
    """Run a list action; return its message."""
    url = reverse(f"admin:{model}_changelist")
    answer = client.post(url, {"action": action, "_selected_action": [item.pk for item in objects]}, follow=True)
    return said(answer)


def said(answer: Any) -> list[str]:
    """Return the messages of a page."""
    assert answer.status_code == 200
    return [str(message) for message in answer.context["messages"]]


def row(page: Any, text: str) -> dict[str, str]:
    """Return the list row that contains ``text``: column → shown value."""
    for cells in re.findall(r"<tr.*?</tr>", page.content.decode(), re.DOTALL):
        if text in cells:
            found = re.findall(r'<t[hd][^>]*class="field-(\w+)[^>]*>(.*?)</t[hd]>', cells, re.DOTALL)
            return {name: unescape(re.sub(r"<[^>]*>", "", cell)).strip() for name, cell in found}
    raise AssertionError(f"no row with {text}")


def staff(*permissions: str) -> Client:
    """Return a client of a staff user with these permissions."""
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


# --- Sales: displayed values


def test_the_list_of_sales_shows_where_each_line_stands(admin_client: Client, line: Line) -> None:
    sale = busy_sale(line)
    cells = row(admin_client.get(reverse("admin:catalog_sale_changelist")), str(sale))
    figures = {name: cells[name] for name in ("state", "stock", "remaining", "reserved", "paid", "admitted", "pointer")}
    assert figures == {
        "state": "sold out",
        "stock": "7",
        "remaining": "0",
        "reserved": "5",  # 4 unpaid orders and 1 reserved unit
        "paid": "2",
        "admitted": "10",
        "pointer": "7",
    }


def test_a_sale_that_redis_does_not_know_says_so(admin_client: Client) -> None:
    sale = new_sale()
    cells = row(admin_client.get(reverse("admin:catalog_sale_changelist")), str(sale))
    assert {cells[name] for name in IN_LINE} == {"not loaded"}
    assert cells["paid"] == "0"


@pytest.mark.usefixtures("redis_away")
def test_a_redis_that_is_away_says_so_and_is_asked_only_once(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = [new_sale() for _ in range(3)]
    asked: list[str] = []
    run = Line.run

    def counted(line: Line, command: Command[Any]) -> Any:
        asked.append(command.script)
        return run(line, command)

    monkeypatch.setattr(Line, "run", counted)
    page = admin_client.get(reverse("admin:catalog_sale_changelist"))
    for sale in sales:
        cells = row(page, str(sale))
        assert {cells[name] for name in IN_LINE} == {"unreachable"}
    assert [Path(script).stem for script in asked] == ["snapshot"]


@pytest.mark.parametrize("list_of", ["catalog_sale", "orders_order", "catalog_banner", "catalog_product"])
def test_a_list_costs_the_same_queries_however_long_it_is(admin_client: Client, admin_user: User, list_of: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(reverse(f"admin:{list_of}_changelist")).status_code == 200
        return len(captured)

    def add(number: int) -> None:
        sale = new_sale(product=Product.objects.create(name=f"Kettle {number}"))
        new_orders(sale, [admin_user.buyer_id, f"b{number}"])
        run_audit(get_line(), sale.pk, by=Audit.By.BEAT)
        Banner.objects.create(title=f"Banner {number}", image="lost.jpg", sale=sale)

    add(1)
    queries()  # the first page also looks up content types
    few = queries()
    for number in range(2, 12):
        add(number)
    assert queries() == few


def test_the_panel_of_a_sale_refreshes_from_json(admin_client: Client, line: Line) -> None:
    sale = busy_sale(line)
    url = reverse("admin:catalog_sale_live", args=[sale.pk])
    page = admin_client.get(change_url(sale)).content.decode()
    assert f'data-url="{url}"' in page
    assert "admin/sale_live.js" in page
    assert dict(re.findall(r'data-figure="(\w+)">(.*?)</dd>', page)) == {
        "state_label": "sold out",
        "admitted": "10",
        "pointer": "7",
        "waiting": "3",
        "remaining": "0",
        "reserved": "5",
        "paid": "2",
        "sold": "6",
        "stock": "7",
        "epoch": "1",
    }
    answer = admin_client.get(url)
    assert answer.json() == {
        "reach": "loaded",
        "state": "sold_out",
        "state_label": "sold out",
        "epoch": 1,
        "admitted": 10,
        "pointer": 7,
        "waiting": 3,
        "remaining": 0,
        "reserved": 5,
        "paid": 2,
        "sold": 6,
        "stock": 7,
    }
    assert "no-store" in answer["Cache-Control"]


def test_the_panel_of_an_unknown_sale_still_shows_the_ledger(admin_client: Client) -> None:
    sale = new_sale()
    order, _ = new_orders(sale, ["b1", "b2"])
    payment.pay(order)
    figures = admin_client.get(reverse("admin:catalog_sale_live", args=[sale.pk])).json()
    assert figures["reach"] == "not_loaded"
    assert (figures["paid"], figures["sold"], figures["stock"]) == (1, 2, 7)
    assert {figures[name] for name in (*IN_LINE, "state_label", "waiting", "epoch")} == {None}


@pytest.mark.usefixtures("redis_away")
def test_the_panel_says_that_redis_is_away(admin_client: Client) -> None:
    sale = new_sale()
    figures = admin_client.get(reverse("admin:catalog_sale_live", args=[sale.pk])).json()
    assert (figures["reach"], figures["admitted"], figures["stock"]) == ("unreachable", None, 7)
    page = admin_client.get(change_url(sale)).content.decode()
    assert page.count(">unreachable</dd>") == 7  # state, epoch and the five counts of places and units


def test_the_panel_is_for_staff_who_may_see_sales(client: Client, admin_client: Client) -> None:
    sale = new_sale()
    url = reverse("admin:catalog_sale_live", args=[sale.pk])
    assert client.get(url).status_code == 302
    assert staff("view_order").get(url).status_code == 403
    assert admin_client.get(reverse("admin:catalog_sale_live", args=[sale.pk + 1])).status_code == 404


def test_the_add_page_has_no_panel(admin_client: Client) -> None:
    assert 'id="sale-live"' not in admin_client.get(reverse("admin:catalog_sale_add")).content.decode()


# --- Sales: latest audits


def audit_panel(client: Client, sale: Sale) -> str:
    """Return the audit panel of the change page."""
    page = client.get(change_url(sale)).content.decode()
    (panel,) = re.findall(r'<section id="sale-audit".*?</section>', page, re.DOTALL)
    return unescape(panel)


def audit_numbers(client: Client, sale: Sale) -> tuple[dict[str, str], set[str]]:
    """Return the panel's values (label → number) and the labels of the red ones."""
    found = re.findall(r"<dt[^>]*>(.*?)</dt>\s*<dd class=\"([^\"]*)\">(.*?)</dd>", audit_panel(client, sale))
    return {label: number for label, _, number in found}, {label for label, look, _ in found if "text-red" in look}


def label_colours(html: str) -> list[tuple[str, str]]:
    """Return (text, colour) of each coloured label."""
    return re.findall(r'<span class="[^"]*?bg-(\w+)-[^"]*"\s*>\s*(.*?)\s*</span>', html)


@pytest.fixture
def audited_at() -> datetime:
    return datetime(2026, 11, 11, 20, 15, 7, tzinfo=timezone.get_default_timezone())


def test_a_sale_that_nobody_has_audited_says_so(admin_client: Client) -> None:
    sale = new_sale()
    assert row(admin_client.get(reverse("admin:catalog_sale_changelist")), str(sale))["last_audit"] == "-"
    assert "This sale has not been audited yet." in audit_panel(admin_client, sale)
    assert 'id="sale-audit"' not in admin_client.get(reverse("admin:catalog_sale_add")).content.decode()


def test_the_last_audit_of_a_sale_that_agrees(admin_client: Client, line: Line, audited_at: datetime) -> None:
    sale = new_sale()
    sync_sale_to_redis(line, sale)
    line.run(commands.admit(sale.pk, ["b1", "b2", "b3"]))
    settle(line, sale.pk, 3)
    payment.cancel(Order.objects.get(buyer="b2"))
    run_audit(line, sale.pk, by=Audit.By.BEAT)
    Audit.objects.update(audited_at=audited_at)

    cell = row(admin_client.get(reverse("admin:catalog_sale_changelist")), str(sale))["last_audit"]
    assert cell.split() == ["agrees", "2026-11-11", "20:15:07"]
    panel = audit_panel(admin_client, sale)
    assert label_colours(panel) == [("green", "agrees")]
    assert "2026-11-11 20:15:07, beat" in panel
    assert audit_numbers(admin_client, sale) == (
        {
            "Sold": "2",
            "Orders that hold a unit": "2",
            "Units left (Redis)": "4",
            "Units left (ledger)": "4",
            "Outcomes in Redis": "3",
            "Orders in the ledger": "3",
            "Units on their way back": "1",
            "Reserved units": "0",
            "Stock": "7",
            "Epoch": "1",
        },
        set(),
    )


def test_the_panel_of_a_busy_sale_has_no_numbers_for_what_was_not_compared(admin_client: Client, line: Line) -> None:
    sale = busy_sale(line)
    run_audit(line, sale.pk, by=Audit.By.BEAT)
    assert label_colours(audit_panel(admin_client, sale)) == [("blue", "busy")]
    numbers, red = audit_numbers(admin_client, sale)
    assert {label for label, number in numbers.items() if number == "–"} == {  # noqa: RUF001 (a dash is shown)
        "Units left (ledger)",
        "Outcomes in Redis",
        "Orders in the ledger",
        "Units being released",
    }
    assert (numbers["Reserved units"], numbers["Sold"], red) == ("1", "6", set())


@pytest.mark.parametrize("repaired", [False, True])
def test_what_differs_is_red(admin_client: Client, line: Line, repaired: bool) -> None:
    sale = new_sale()
    sync_sale_to_redis(line, sale)
    line.client.incrby(sale_keys(sale.pk).stock, 2)
    line.client.hset(sale_keys(sale.pk).outcomes, "b1", "x")
    (reconcile if repaired else run_audit)(line, sale.pk, by=Audit.By.COMMAND)
    panel = audit_panel(admin_client, sale)
    assert label_colours(panel) == [("orange", "drift, repaired" if repaired else "drift")]
    assert ("has been rebuilt" in panel) is repaired
    numbers, red = audit_numbers(admin_client, sale)
    assert {label: numbers[label] for label in red} == {
        "Units left (Redis)": "9",
        "Units left (ledger)": "7",
        "Outcomes in Redis": "1",
        "Orders in the ledger": "0",
    }


def test_a_ledger_that_contradicts_itself_is_red_everywhere(admin_client: Client, line: Line) -> None:
    sale = new_sale()
    sync_sale_to_redis(line, sale)
    new_orders(sale, ["b1"])
    Sale.objects.filter(pk=sale.pk).update(sold=0)
    run_audit(line, sale.pk, by=Audit.By.BEAT)
    Audit.objects.update(db_stock=7, outcomes=1)
    listed = admin_client.get(reverse("admin:catalog_sale_changelist")).content.decode()
    assert ("red", "contradiction") in label_colours(listed)
    panel = audit_panel(admin_client, sale)
    assert label_colours(panel) == [("red", "contradiction")]
    assert "docs/how-to/recover.md" in panel
    assert audit_numbers(admin_client, sale)[1] == {"Sold", "Orders that hold a unit"}
    Audit.objects.update(sold=8, active_orders=8)
    assert audit_numbers(admin_client, sale)[1] == {"Sold", "Stock"}


def test_audit_now_looks_and_repairs_nothing(admin_client: Client, line: Line) -> None:
    right, same, wrong, unknown, ended = (new_sale() for _ in range(5))
    for sale in (right, same, wrong, ended):
        sync_sale_to_redis(line, sale)
    line.client.incrby(sale_keys(wrong.pk).stock, 2)
    Sale.objects.filter(pk=ended.pk).update(ended_at=timezone.now(), sold=1)
    before = list(Sale.objects.order_by("pk").values())

    messages = act(admin_client, "catalog_sale", "audit_sales", [right, same, wrong, unknown, ended])
    assert {message.split(". ")[0] for message in messages} == {
        "2 sales agree with the ledger.",
        f"{wrong}: drift",
        f"{unknown}: unknown",
        f"{ended}: contradiction",
    }
    assert list(Audit.objects.order_by("sale").values_list("sale", "triggered_by", "result", "repaired")) == [
        (right.pk, "admin", "agrees", False),
        (same.pk, "admin", "agrees", False),
        (wrong.pk, "admin", "drift", False),
        (unknown.pk, "admin", "unknown", False),
        (ended.pk, "admin", "contradiction", False),
    ]
    assert list(Sale.objects.order_by("pk").values()) == before
    assert line.client.get(sale_keys(wrong.pk).stock) == "9"
    assert not line.client.exists(sale_keys(unknown.pk).meta)


@pytest.mark.usefixtures("redis_away")
def test_audit_now_asks_a_redis_that_is_away_once(admin_client: Client) -> None:
    first, second = new_sale(), new_sale()
    (message,) = act(admin_client, "catalog_sale", "audit_sales", [first, second])
    assert message in {
        f"{sale}: Redis does not respond. The remaining sales were not audited." for sale in (first, second)
    }
    assert Audit.objects.get().result == "unreachable"
    assert label_colours(audit_panel(admin_client, Audit.objects.get().sale)) == [("red", "unreachable")]


def test_who_may_only_look_at_sales_sees_audits_and_makes_none(line: Line) -> None:
    sale = new_sale()
    sync_sale_to_redis(line, sale)
    run_audit(line, sale.pk, by=Audit.By.BEAT)
    clerk = staff("view_sale")
    act(clerk, "catalog_sale", "audit_sales", [sale])
    assert Audit.objects.get().triggered_by == "beat"
    assert label_colours(audit_panel(clerk, sale)) == [("green", "agrees")]


def test_the_last_audit_speaks_chinese_too(admin_client: Client, line: Line) -> None:
    sale = new_sale()
    sync_sale_to_redis(line, sale)
    run_audit(line, sale.pk, by=Audit.By.BEAT)
    admin_client.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    assert label_colours(audit_panel(admin_client, sale)) == [("green", "一致")]
    assert "占用库存的订单" in audit_numbers(admin_client, sale)[0]


# --- Sales: allowed changes


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
    assert [text for text in messages if "Redis is away" in text] == [
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
        f"{sale} ended on Nov. 11, 2026, 8:15 p.m. It can't be changed or reopened."
    ]
    messages = said(admin_client.post(change_url(sale), sale_form(sale, stock=99, status="paused"), follow=True))
    assert messages == [f"{sale} ended on Nov. 11, 2026, 8:15 p.m. It can't be changed or reopened."]
    status = sale.status
    sale.refresh_from_db()
    assert (sale.stock, sale.status) == (7, status)
    assert line.client.exists(*astuple(sale_keys(sale.pk))) == 0
    page = admin_client.get(change_url(sale)).content.decode()
    assert "it can't be changed or opened again" in unescape(page)
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


# --- Banners


def picture() -> SimpleUploadedFile:
    """A small JPEG."""
    buffer = BytesIO()
    Image.new("RGB", (30, 10), "teal").save(buffer, "JPEG")
    return SimpleUploadedFile("teal.jpg", buffer.getvalue(), "image/jpeg")


def cached_titles() -> list[str] | None:
    """Return the titles in the cached banner list; None = the list is not cached."""
    cached = cache.get(BANNERS_KEY)
    return cached and [banner["title"] for banner in cached["banners"]]


def test_a_banner_is_in_the_cached_list_as_soon_as_it_is_saved_and_no_longer_than_it_exists(
    admin_client: Client,
) -> None:
    form = {"title": "Kettles!", "subtitle": "", "image": picture(), "sale": "", "position": "3", "active": "on"}
    said(admin_client.post(reverse("admin:catalog_banner_add"), form, follow=True))
    assert cached_titles() == ["Kettles!"]
    banner = Banner.objects.get()
    page = admin_client.get(reverse("admin:catalog_banner_changelist"))
    assert f'<img src="{banner.image.url}"' in page.content.decode()

    change = {"title": "Pots!", "subtitle": "", "sale": "", "position": "3", "active": "on"}
    said(admin_client.post(reverse("admin:catalog_banner_change", args=[banner.pk]), change, follow=True))
    assert cached_titles() == ["Pots!"]

    said(admin_client.post(reverse("admin:catalog_banner_delete", args=[banner.pk]), {"post": "yes"}, follow=True))
    assert cached_titles() == []


def test_banners_are_hidden_and_deleted_from_the_list(admin_client: Client) -> None:
    banners = [Banner.objects.create(title=title, image="lost.jpg") for title in ("one", "two", "three")]
    rows = {
        "form-TOTAL_FORMS": "3",
        "form-INITIAL_FORMS": "3",
        **{f"form-{index}-id": banner.pk for index, banner in enumerate(banners)},
        **{f"form-{index}-position": index for index in range(3)},
        "form-1-active": "on",
        "form-2-active": "on",
        "_save": "Save",
    }
    said(admin_client.post(reverse("admin:catalog_banner_changelist"), rows, follow=True))
    assert cached_titles() == ["two", "three"]
    url = reverse("admin:catalog_banner_changelist")
    chosen = {"action": "delete_selected", "_selected_action": [banners[2].pk], "post": "yes"}
    said(admin_client.post(url, chosen, follow=True))
    assert cached_titles() == ["two"]


@pytest.mark.usefixtures("redis_away")
def test_a_banner_is_saved_while_the_cache_is_away(admin_client: Client) -> None:
    form = {"title": "Kettles!", "subtitle": "", "image": picture(), "sale": "", "position": "3", "active": "on"}
    messages = said(admin_client.post(reverse("admin:catalog_banner_add"), form, follow=True))
    assert (
        "The change is saved, but the cache is unavailable. The home page will show it when the cache is back."
        in messages
    )
    assert Banner.objects.count() == 1


# --- Orders


def found(client: Client, query: dict[str, Any]) -> list[str]:
    """Return the buyers of the listed orders, newest first."""
    page = client.get(reverse("admin:orders_order_changelist"), query)
    assert page.status_code == 200
    return [order.buyer for order in page.context["cl"].result_list]


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


# --- Users and groups


@pytest.mark.parametrize(
    "page", ["accounts_user_changelist", "accounts_user_add", "auth_group_changelist", "auth_group_add"]
)
def test_users_and_groups_are_still_there(admin_client: Client, page: str) -> None:
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
