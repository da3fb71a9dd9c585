"""Exports over HTTP: few orders at once, many in the background."""

import time
from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.utils import timezone

from celery_task.celery import app
from devtools.embedded.ports import free_port
from orders.export import (
    delete_old_exports,
    mark_cancelled,
    mark_failed,
    write_next_chunk,
)
from orders.models import Export
from tests.conftest import MakeSale
from tests.orders.bulk import buyers, rows, write_orders
from tests.web.exports.export import API, asked_of_workers, begun, content, finish, post
from tests.web.responses import problem, written

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _broker_is_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The broker's address refuses connections."""
    with monkeypatch.context() as patch:
        patch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{free_port()}/1")
        patch.setattr(app, "_pool", None)
        vars(app).pop("amqp", None)
        yield
    vars(app).pop("amqp", None)


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
