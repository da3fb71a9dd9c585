"""The admin: the latest audit of a sale."""

import re
from datetime import datetime
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders import payment
from orders.audit import run_audit
from orders.models import Audit, Order
from orders.reconciliation import reconcile, sync_sale_to_redis
from orders.settlement import settle
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.keys import sale_keys
from seckill.line.line import Line
from tests.web.admin.shop import act, busy_sale, change_url, new_orders, new_sale, row, staff

pytestmark = pytest.mark.django_db(transaction=True)  # on_commit callbacks must run


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
            "Units being released": "1",
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
        f"{unknown}: not loaded",
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
