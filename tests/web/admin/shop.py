"""A shop for the tests of the admin: sales, orders, staff, and what a page says."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders import payment
from orders.models import Order
from orders.reconciliation import sync_sale_to_redis
from orders.settlement import settle
from seckill.accounts.models import User
from seckill.catalog.models import Product, Sale
from seckill.line import commands
from seckill.line.line import Line


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


def found(client: Client, query: dict[str, Any]) -> list[str]:
    """Return the buyers of the listed orders, newest first."""
    page = client.get(reverse("admin:orders_order_changelist"), query)
    assert page.status_code == 200
    return [order.buyer for order in page.context["cl"].result_list]
