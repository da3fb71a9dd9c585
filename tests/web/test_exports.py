"""Exports over HTTP and in the admin: permissions, progress, and the file."""

import json
import re
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from celery_task.celery import app
from celery_task.queues import EXPORTS
from devtools.embedded.ports import free_port
from orders import export as module
from orders.export import (
    UNFINISHED_MAX,
    delete_old_exports,
    mark_cancelled,
    mark_failed,
    request_export,
    write_next_chunk,
)
from orders.models import Export
from seckill.accounts.models import User
from tests.conftest import MakeSale
from tests.orders.bulk import buyers, clerk, empty_storage, new_export, rows, write_orders
from tests.web.responses import problem, written
from tests.workers.messages import take

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/exports/"


@pytest.fixture(autouse=True)
def _storage(settings: Settings, tmp_path: Path) -> None:
    """An empty storage."""
    empty_storage(settings, tmp_path)


@pytest.fixture
def _parts_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 3)


@pytest.fixture
def _broker_is_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The broker's address refuses connections."""
    with monkeypatch.context() as patch:
        patch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{free_port()}/1")
        patch.setattr(app, "_pool", None)
        vars(app).pop("amqp", None)
        yield
    vars(app).pop("amqp", None)


def staff(username: str = "clerk", *permissions: str) -> Client:
    """Return a client of a staff user with these permissions."""
    user = clerk(username)
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def browser(db: None) -> Client:  # noqa: ARG001 (accounts need the database)
    """A client of a clerk who may see orders."""
    return staff("clerk", "view_order")


def post(browser: Client, query: str = "", **wanted: Any) -> Any:
    """Request an export."""
    return browser.post(f"{API}{query}", wanted, content_type="application/json")


def begun(browser: Client, **wanted: Any) -> Export:
    """An export that waits for a worker."""
    answer = post(browser, "?async=1", **wanted)
    assert answer.status_code == 202, answer.content
    return Export.objects.get(pk=answer.json()["id"])


def finish(export: Export) -> Export:
    """Write all chunks, as workers do."""
    while not export.result:
        assert write_next_chunk(export)
    return export


def asked_of_workers() -> list[Any]:
    """Take [export, chunk] of each message for workers."""
    return [json.loads(message.body)[0] for message in take(EXPORTS)]


def content(answer: Any) -> bytes:
    """Return the content of a streamed response."""
    assert (answer.status_code, answer.streaming) == (200, True)
    return b"".join(answer.streaming_content)


# --- Direct download


def test_few_orders_are_answered_at_once(browser: Client, make_sale: MakeSale) -> None:
    write_orders(make_sale(publish=False), 3)

    answer = post(browser)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Cache-Control"] == "no-store"
    assert answer["Content-Disposition"] == f'attachment; filename="orders-{timezone.localdate()}.csv"'
    assert buyers([answer.content]) == ["b1", "b2", "b3"]
    assert not Export.objects.exists()


@pytest.mark.usefixtures("_parts_of_three")
def test_many_orders_are_not(browser: Client, make_sale: MakeSale) -> None:
    write_orders(make_sale(publish=False, stock=4), 4)

    assert "?async=1" in problem(post(browser), 409, "too_many_orders")["title"]
    assert not Export.objects.exists()


def test_who_accepts_csv_alone_gets_it_and_problems_as_problems(browser: Client, make_sale: MakeSale) -> None:
    write_orders(make_sale(publish=False), 1)

    def accepting_csv(**wanted: Any) -> Any:
        return browser.post(API, wanted, content_type="application/json", headers={"Accept": "text/csv"})

    assert buyers([accepting_csv().content]) == ["b1"]
    problem(accepting_csv(statuses=["lost"]), 400, "invalid")


# --- Background export


def test_an_export_as_a_job_from_asking_to_its_file(browser: Client, make_sale: MakeSale) -> None:
    sale = make_sale(publish=False)
    write_orders(sale, 2)
    write_orders(make_sale(publish=False), 1)

    answer = post(browser, "?async=1", sale=sale.pk)

    export = Export.objects.get()
    assert (answer.status_code, answer["Location"], answer["Retry-After"]) == (202, f"{API}{export.pk}/", "1")
    queued = {
        "id": str(export.pk), "state": "queued", "requested_at": written(export.requested_at), "rows": 0, "total": None,
        "percent": 0, "result": None, "error": "",
    }  # fmt: skip
    assert answer.json() == browser.get(answer["Location"]).json() == queued
    assert asked_of_workers() == [[str(export.pk), 0]]
    finish(export)

    done = browser.get(answer["Location"])
    assert done["Cache-Control"] == "no-store"
    file = f"{API}{export.pk}/file"
    assert done.json() == queued | {
        "state": "done", "rows": 2, "total": 2, "percent": 100, "result": {"rows": 2, "file": file},
    }  # fmt: skip
    answer = browser.get(file)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Cache-Control"] == "no-store"
    name = f"orders-{timezone.localdate()}-{str(export.pk)[:8]}.csv"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert [row["sale"] for row in rows([content(answer)])] == [str(sale.pk)] * 2


@pytest.mark.usefixtures("_parts_of_three")
def test_an_export_on_the_way_says_how_far_it_is_and_has_no_file(
    browser: Client, make_sale: MakeSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.backend, "expires", None)  # else Celery uses a deprecated command
    write_orders(make_sale(publish=False, stock=7), 7)
    export = begun(browser)
    problem(browser.get(f"{API}{export.pk}/file"), 409, "export_not_done")
    app.backend.store_result(str(export.pk), {}, "STARTED")
    assert browser.get(f"{API}{export.pk}/").json()["state"] == "started"
    write_next_chunk(export)

    answer = browser.get(f"{API}{export.pk}/").json()

    assert [answer[name] for name in ("state", "rows", "total", "percent", "result")] == ["progress", 3, 7, 42, None]
    refused = problem(browser.get(f"{API}{export.pk}/file"), 409, "export_not_done")
    assert refused["state"] == "progress"


def test_all_that_may_be_asked_for_is_kept(browser: Client, make_sale: MakeSale) -> None:
    sale = make_sale(publish=False)

    export = begun(browser, sale=sale.pk, statuses=["paid", "expired"], **{"from": "2026-11-01", "to": "2026-11-11"})

    assert (export.sale, export.statuses) == (sale, ["paid", "expired"])
    assert (export.first_day, export.last_day) == (date(2026, 11, 1), date(2026, 11, 11))
    assert export.requested_by.username == "clerk"


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("sale", {"sale": 10**30}),
        ("sale", {"sale": "kettle"}),
        ("sale", {"sale": True}),
        ("statuses", {"statuses": ["lost"]}),
        ("statuses", {"statuses": ["paid"] * 5}),
        ("statuses", {"statuses": "paid"}),
        ("from", {"from": "11.11.2026"}),
        ("to", {"to": 20_261_111}),
        ("to", {"from": "2026-11-12", "to": "2026-11-11"}),
    ],
)
@pytest.mark.parametrize("query", ["", "?async=1"])
def test_what_makes_no_sense_is_refused(browser: Client, query: str, field: str, wanted: dict[str, Any]) -> None:
    assert list(problem(post(browser, query, **wanted), 400, "invalid")["errors"]) == [field]
    assert not Export.objects.exists()


def test_neither_yes_nor_no_is_no_answer_to_async(browser: Client) -> None:
    problem(post(browser, "?async=perhaps"), 400, "invalid")


def test_nobody_has_more_than_five_that_are_not_finished(browser: Client) -> None:
    first, *_ = [begun(browser) for _ in range(5)]
    taken = asked_of_workers()

    refused = problem(post(browser, "?async=1"), 429, "too_many_exports")

    assert (refused["unfinished_max"], Export.objects.count(), len(taken), asked_of_workers()) == (5, 5, 5, [])
    mark_cancelled(first)
    begun(browser)


def test_an_export_is_cancelled(browser: Client) -> None:
    export = begun(browser)

    for _ in range(2):
        answer = browser.delete(f"{API}{export.pk}/")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")

    refused = problem(browser.get(f"{API}{export.pk}/file"), 409, "export_not_done")
    assert refused["state"] == "cancelled"


def test_an_export_that_is_done_stays_so(browser: Client) -> None:
    export = finish(begun(browser))

    assert browser.delete(f"{API}{export.pk}/").json()["state"] == "done"
    assert content(browser.get(f"{API}{export.pk}/file")).startswith(b"number,")


def test_an_export_that_failed_says_why(browser: Client) -> None:
    export = begun(browser)
    mark_failed(export, "OSError: No space left on device")

    answer = browser.get(f"{API}{export.pk}/").json()

    assert (answer["state"], answer["error"]) == ("failed", "OSError: No space left on device")


def test_a_file_that_is_gone_is_not_found(browser: Client) -> None:
    export = finish(begun(browser))
    pk, export.pk = export.pk, uuid4()
    Export.objects.filter(pk=pk).delete()
    delete_old_exports()
    export.save(force_insert=True)

    problem(browser.get(f"{API}{export.pk}/file"), 404, "not_found")


def test_who_asks_does_not_subscribe_to_the_result(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.backend.result_consumer, "_pubsub", None)

    begun(browser)

    assert app.backend.result_consumer._pubsub is None


@pytest.mark.usefixtures("_broker_is_away")
def test_while_the_broker_is_away_exports_are_taken_on_and_cancelled(
    browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()
    export = begun(browser)
    answer = browser.delete(f"{API}{export.pk}/")
    print(f"it took {time.monotonic() - began:.1f} s")

    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert "export_not_enqueued" in caplog.text
    assert "export_not_revoked" in caplog.text


@pytest.fixture
def done(browser: Client, make_sale: MakeSale, _parts_of_three: None) -> Export:
    """A finished export of three chunks."""
    write_orders(make_sale(publish=False, stock=7), 7)
    return finish(begun(browser))


async def test_a_file_is_streamed_part_by_part_and_keeps_no_database_connection(
    async_client: AsyncClient, browser: Client, done: Export
) -> None:
    async_client.cookies = browser.cookies

    answer = await async_client.get(f"{API}{done.pk}/file")

    assert isinstance(answer, StreamingHttpResponse)
    assert answer.is_async
    parts = []
    async for part in answer:
        parts.append(part)
        assert await sync_to_async(lambda: connection.connection)() is None
    assert len(parts) == 3
    assert buyers(parts) == ["b1", "b2", "b3", "b4", "b5", "b6", "b7"]


# --- Permissions


def test_strangers_buyers_and_staff_who_may_not_see_orders_export_nothing() -> None:
    buyer = Client()
    buyer.force_login(User.objects.create_user("buyer"))
    for query in ("", "?async=1"):
        problem(post(Client(), query), 401, "not_logged_in")
        problem(post(buyer, query), 403, "forbidden")
        problem(post(staff("other clerk", "view_sale"), query), 403, "forbidden")
    assert not Export.objects.exists()


def test_a_buyer_with_the_permission_is_still_no_staff() -> None:
    browser = staff("clerk", "view_order")
    User.objects.update(is_staff=False)

    problem(post(browser), 403, "forbidden")


def test_other_peoples_exports_do_not_exist(browser: Client) -> None:
    export = finish(begun(browser))
    other, waiting = staff("another", "view_order"), begun(browser)

    for path in (f"{API}{export.pk}/", f"{API}{export.pk}/file", f"{API}{uuid4()}/", f"{API}1/"):
        problem(other.get(path), 404, "not_found")
    problem(other.delete(f"{API}{waiting.pk}/"), 404, "not_found")
    waiting.refresh_from_db()
    assert waiting.result == ""
    problem(Client().get(f"{API}{export.pk}/"), 401, "not_logged_in")


def test_superusers_see_all(browser: Client, admin_client: Client) -> None:
    export = finish(begun(browser))

    assert admin_client.get(f"{API}{export.pk}/").json()["state"] == "done"
    assert content(admin_client.get(f"{API}{export.pk}/file")).startswith(b"number,")


def test_an_export_is_asked_for_and_cancelled_from_our_own_pages_only(browser: Client) -> None:
    export = begun(browser)
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = browser.cookies

    problem(post(careful, "?async=1"), 403, "forbidden")
    problem(careful.delete(f"{API}{export.pk}/"), 403, "forbidden")
    export.refresh_from_db()
    assert export.result == ""


# --- The admin


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
    with django_assert_num_queries(7):
        browser.get(url)
    for _ in range(9):
        finish(begun(browser, sale=sale.pk))
    with django_assert_num_queries(7):
        browser.get(url)
