"""Exports in the admin."""

import re
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from orders.export import (
    UNFINISHED_MAX,
    mark_failed,
    request_export,
    write_next_chunk,
)
from orders.models import Export
from tests.conftest import MakeSale
from tests.orders.bulk import clerk, new_export, write_orders
from tests.web.exports.export import API, asked_of_workers, begun, finish, staff

pytestmark = pytest.mark.django_db(transaction=True)


def said(answer: Any) -> list[str]:
    """Return the messages of a page."""
    assert answer.status_code == 200
    return [str(message) for message in answer.context["messages"]]


def export_from_list(browser: Client, **filters: Any) -> Any:
    """Press the button above the list of orders; return the page it leads to."""
    page = browser.get(reverse("admin:orders_order_changelist", query=filters)).content.decode()
    action = re.search(r'<form method="post" action="(/admin/orders/order/export/[^"]*)"', page)
    assert action
    return browser.post(action[1].replace("&amp;", "&"), follow=True)


def test_the_button_above_the_orders_exports_what_the_filters_leave(browser: Client, make_sale: MakeSale) -> None:
    sale = make_sale(publish=False)
    filters = {
        "sale__id__exact": sale.pk, "status__exact": ["paid", "expired"], "created_at_from": "2026-11-01",
        "created_at_to": "2026-11-11",
    }  # fmt: skip

    page = export_from_list(browser, **filters)

    export = Export.objects.get()
    assert page.redirect_chain == [(reverse("admin:orders_export_change", args=[export.pk]), 302)]
    assert said(page) == []
    assert (export.sale, export.statuses) == (sale, ["paid", "expired"])
    assert (export.first_day, export.last_day) == (date(2026, 11, 1), date(2026, 11, 11))
    assert asked_of_workers() == [[str(export.pk), 0]]
    text = page.content.decode()
    assert f"{sale} · paid, expired · Nov. 1, 2026 to Nov. 11, 2026" in text


def test_without_filters_the_button_exports_all(browser: Client) -> None:
    assert "all sales" in export_from_list(browser).content.decode()

    export = Export.objects.get()
    assert (export.sale, export.statuses, export.first_day, export.last_day) == (None, [], None, None)


def test_the_search_is_no_filter_and_that_is_said(browser: Client) -> None:
    text = "The export uses the filters, but not the search."
    page = browser.get(reverse("admin:orders_order_changelist", query={"q": "b1"}))
    assert text in page.content.decode()
    assert text not in browser.get(reverse("admin:orders_order_changelist")).content.decode()

    assert said(export_from_list(browser, q="b1")) == [text]


def test_filters_that_make_no_sense_export_nothing(browser: Client) -> None:
    url = reverse("admin:orders_order_export", query={"status__exact": "lost"})

    assert said(browser.post(url, follow=True)) == ["Nothing was exported: the filters are invalid."]
    assert not Export.objects.exists()


def test_the_button_knows_the_limit(browser: Client) -> None:
    for _ in range(UNFINISHED_MAX):
        begun(browser)

    assert said(export_from_list(browser)) == ["Nothing was exported: you already have 5 unfinished exports."]
    assert Export.objects.count() == 5


def test_the_button_is_pressed_and_no_link(browser: Client) -> None:
    assert browser.get(reverse("admin:orders_order_export")).status_code == 405
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = browser.cookies
    assert careful.post(reverse("admin:orders_order_export")).status_code == 403
    assert not Export.objects.exists()


def test_staff_who_may_not_see_orders_find_no_exports() -> None:
    export = new_export(requested_by=clerk())
    request_export(export)
    other = staff("clerk", "view_sale")

    assert other.post(reverse("admin:orders_order_export")).status_code == 403
    assert other.get(reverse("admin:orders_export_changelist")).status_code == 403
    assert other.get(reverse("admin:orders_export_change", args=[export.pk])).status_code == 403
    assert other.post(reverse("admin:orders_export_cancel", args=[export.pk])).status_code == 403
    assert "exports" not in other.get(reverse("admin:index")).content.decode().lower()


@pytest.mark.usefixtures("_parts_of_three")
def test_an_exports_page_shows_how_far_it_is(browser: Client, make_sale: MakeSale) -> None:
    write_orders(make_sale(publish=False, stock=7), 7)
    export = begun(browser)
    url = reverse("admin:orders_export_change", args=[export.pk])

    def page() -> str:
        return re.sub(r"\s+", " ", browser.get(url).content.decode())

    file = f'href="{API}{export.pk}/file"'
    poll = f'data-url="{API}{export.pk}/"'
    assert 'aria-valuenow="0"' in page()
    assert poll in page()
    write_next_chunk(export)
    assert 'aria-valuenow="42"' in page()
    assert "3 / 7" in page()
    assert file not in page()
    finish(export)
    assert 'aria-valuenow="100"' in page()
    assert file in page()
    assert poll not in page()
    assert "Cancel this export" not in page()


def test_an_exports_page_says_why_it_failed(browser: Client) -> None:
    export = begun(browser)
    mark_failed(export, "OSError: <No space left on device>")

    page = browser.get(reverse("admin:orders_export_change", args=[export.pk])).content.decode()

    assert "OSError: &lt;No space left on device&gt;" in page


def test_an_export_is_cancelled_on_its_page(browser: Client) -> None:
    export = begun(browser)

    page = browser.post(reverse("admin:orders_export_cancel", args=[export.pk]), follow=True)

    assert page.redirect_chain == [(reverse("admin:orders_export_change", args=[export.pk]), 302)]
    export.refresh_from_db()
    assert export.result == "cancelled"
    assert browser.get(reverse("admin:orders_export_cancel", args=[export.pk])).status_code == 405


def test_exports_are_cancelled_in_the_list(browser: Client) -> None:
    waiting, done = begun(browser), finish(begun(browser))
    url = reverse("admin:orders_export_changelist")

    page = browser.post(url, {"action": "cancel_exports", "_selected_action": [waiting.pk, done.pk]}, follow=True)

    assert said(page) == ["1 export was cancelled.", "1 export had already finished."]
    assert sorted(Export.objects.values_list("result", flat=True)) == ["cancelled", "done"]


def test_the_list_shows_ones_own_exports_and_superusers_all(browser: Client, admin_client: Client) -> None:
    mine = finish(begun(browser))
    theirs = new_export(requested_by=clerk("another"))
    request_export(theirs)
    url = reverse("admin:orders_export_changelist")

    assert [export.pk for export in browser.get(url).context["cl"].result_list] == [mine.pk]
    assert {export.pk for export in admin_client.get(url).context["cl"].result_list} == {mine.pk, theirs.pk}
    assert f'href="{API}{mine.pk}/file"' in browser.get(url).content.decode()
    change = reverse("admin:orders_export_change", args=[theirs.pk])
    assert browser.get(change).status_code == 302  # there is no such export
    assert browser.post(reverse("admin:orders_export_cancel", args=[theirs.pk])).status_code == 404
    theirs.refresh_from_db()
    assert theirs.result == ""


def test_an_export_is_neither_added_nor_changed_nor_deleted_by_hand(admin_client: Client) -> None:
    export = new_export()
    request_export(export)

    assert admin_client.get(reverse("admin:orders_export_add")).status_code == 403
    assert admin_client.post(reverse("admin:orders_export_change", args=[export.pk])).status_code == 403
    assert admin_client.post(reverse("admin:orders_export_delete", args=[export.pk])).status_code == 403


def test_a_longer_list_of_exports_costs_no_more_queries(
    browser: Client, make_sale: MakeSale, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    sale = make_sale(publish=False)
    url = reverse("admin:orders_export_changelist")
    finish(begun(browser, sale=sale.pk))
    browser.get(url)
    with django_assert_num_queries(6):
        browser.get(url)
    for _ in range(9):
        finish(begun(browser, sale=sale.pk))
    with django_assert_num_queries(6):
        browser.get(url)
