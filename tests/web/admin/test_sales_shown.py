"""The admin: displayed values of sales."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from orders import payment
from orders.audit import run_audit
from orders.models import Audit
from seckill.accounts.models import User
from seckill.catalog.models import Banner, Product
from seckill.line.command import Command
from seckill.line.line import Line, get_line
from tests.web.admin.shop import busy_sale, change_url, new_orders, new_sale, row, staff

pytestmark = pytest.mark.django_db(transaction=True)  # on_commit callbacks must run


IN_LINE = ("state", "remaining", "reserved", "admitted", "pointer")  # columns read from Redis only


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


def test_the_panel_of_a_sale_that_is_not_loaded_still_shows_the_ledger(admin_client: Client) -> None:
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
