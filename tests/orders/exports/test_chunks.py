"""Exports: the orders they contain, and writing in chunks."""

import stat
from datetime import UTC, date, datetime
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.core.files.storage import Storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from pytest_django import Settings

from orders import export as module
from orders.export import (
    iter_chunks,
    mark_cancelled,
    mark_failed,
    write_next_chunk,
)
from orders.models import Export, Order
from seckill.catalog.models import Product
from tests.conftest import MakeSale
from tests.orders.bulk import buyers, rows, write_orders
from tests.orders.crowd import at_once
from tests.orders.exports.export import asked, write, written

pytestmark = pytest.mark.django_db


def files(storage: Storage, export: Export) -> set[str]:
    """Return the file names below the export's directory."""
    return set(storage.listdir(str(export.pk))[1]) if storage.exists(str(export.pk)) else set()


def lines(storage: Storage, name: str) -> int:
    """Return the number of lines of a file."""
    with storage.open(name) as file:
        return len(file.readlines())


def test_an_export_holds_every_order_oldest_first(make_sale: MakeSale) -> None:
    created_at = datetime(2026, 11, 11, 20, 15, tzinfo=UTC)
    sale = make_sale(publish=False)
    first, *_ = write_orders(sale, 2, created_at=created_at, pay_before=created_at)
    write_orders(make_sale(publish=False), 1)

    export = written()

    assert (export.rows, export.total, export.percent, export.result) == (3, 3, 100, "done")
    assert [row["place"] for row in rows(iter_chunks(export))] == ["1", "2", "1"]
    assert rows(iter_chunks(export))[0] == {
        "number": first.number, "sale": str(sale.pk), "product": "Copper kettle", "buyer": "b1", "place": "1",
        "price": "19.90", "currency": "USD", "status": "pending", "created_at": "2026-11-11T20:15:00+0000",
        "pay_before": "2026-11-11T20:15:00+0000", "status_changed_at": "", "released_at": "",
    }  # fmt: skip


def test_sale_and_statuses_choose(make_sale: MakeSale) -> None:
    sale, other = make_sale(publish=False), make_sale(publish=False)
    write_orders(sale, 1)
    write_orders(sale, 1, status="paid")
    write_orders(sale, 1, status="expired")
    write_orders(other, 4, status="paid")

    assert buyers(iter_chunks(written(sale=sale, statuses=["paid", "expired"]))) == ["b2", "b3"]
    assert buyers(iter_chunks(written(statuses=["pending"]))) == ["b1"]


def test_days_are_whole_and_those_of_the_site(make_sale: MakeSale, settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"  # nine hours ahead
    sale = make_sale(publish=False)
    for hour, minute in ((14, 59), (15, 0)):
        write_orders(sale, 1, created_at=datetime(2026, 11, 10, hour, minute, tzinfo=UTC))
        write_orders(sale, 1, created_at=datetime(2026, 11, 11, hour, minute, tzinfo=UTC))

    the_11th = date(2026, 11, 11)

    assert buyers(iter_chunks(written(first_day=the_11th, last_day=the_11th))) == ["b2", "b3"]
    assert buyers(iter_chunks(written(last_day=the_11th))) == ["b1", "b2", "b3"]
    assert buyers(iter_chunks(written(first_day=the_11th))) == ["b2", "b3", "b4"]
    assert rows(iter_chunks(written()))[0]["created_at"] == "2026-11-10T23:59:00+0900"


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_the_first_and_the_last_day_there_is_are_no_end(make_sale: MakeSale, settings: Settings, zone: str) -> None:
    settings.TIME_ZONE = zone
    write_orders(make_sale(publish=False), 1)

    assert buyers(iter_chunks(written(first_day=date.min, last_day=date.max))) == ["b1"]


@pytest.mark.usefixtures("_parts_of_three")
def test_orders_that_come_later_are_not_in_it(make_sale: MakeSale) -> None:
    sale = make_sale(publish=False)
    write_orders(sale, 5)
    export = asked()
    write_next_chunk(export)
    write_orders(sale, 2)

    write(export)

    assert buyers(iter_chunks(export)) == ["b1", "b2", "b3", "b4", "b5"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(make_sale: MakeSale, start: str) -> None:
    sale = make_sale(publish=False)
    Product.objects.update(name=f"{start}HYPERLINK()")
    write_orders(sale, 1, buyer=f"{start}1+1")

    content = b"".join(iter_chunks(written())).decode()

    assert f"'{start}1+1" in content
    assert f"'{start}HYPERLINK()" in content


def test_an_export_is_the_same_in_every_language(make_sale: MakeSale, settings: Settings) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    write_orders(make_sale(publish=False), 1, place=12_345, price="1900.50")

    with translation.override("de"):
        (row,) = rows(iter_chunks(written()))

    assert (row["place"], row["price"], row["status"]) == ("12345", "1900.50", "pending")


def test_only_the_shop_itself_may_read_a_part(make_sale: MakeSale, tmp_path: Path) -> None:
    write_orders(make_sale(publish=False), 1)
    (name,) = written().files
    file = tmp_path / "exports" / name

    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent, file.parent.parent)] == [
        0o600, 0o700, 0o700,
    ]  # fmt: skip


@pytest.mark.parametrize(("orders", "parts"), [(0, [0]), (2, [2]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])])
@pytest.mark.usefixtures("_parts_of_three")
def test_every_order_is_in_one_part_and_one_header_is_above(
    make_sale: MakeSale, storage: Storage, orders: int, parts: list[int]
) -> None:
    write_orders(make_sale(publish=False, stock=7), orders)

    export = written()

    assert (export.rows, export.total, export.chunks) == (orders, orders, len(parts))
    assert [lines(storage, name) for name in export.files] == [parts[0] + 1, *parts[1:]]
    assert buyers(iter_chunks(export)) == [f"b{number}" for number in range(1, orders + 1)]


@pytest.mark.usefixtures("_parts_of_three")
def test_an_export_says_how_far_it_is(make_sale: MakeSale) -> None:
    write_orders(make_sale(publish=False, stock=7), 7)
    export = asked()
    seen = [(export.rows, export.total, export.percent, export.result)]

    while not export.result:
        write_next_chunk(export)
        export = Export.objects.get()
        seen.append((export.rows, export.total, export.percent, export.result))

    assert seen == [(0, None, 0, ""), (3, 7, 42, ""), (6, 7, 85, ""), (7, 7, 100, "done")]
    assert export.ended_at is not None


@pytest.mark.usefixtures("_parts_of_three")
def test_a_worker_that_dies_after_the_file_leaves_no_trace_in_the_export(
    make_sale: MakeSale, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = make_sale(publish=False, stock=7)
    write_orders(sale, 7)
    export = asked()
    write_next_chunk(export)
    with monkeypatch.context() as patch:
        patch.setattr(module, "timezone", Mock(now=Mock(side_effect=SystemExit), localtime=timezone.localtime))
        with pytest.raises(SystemExit):
            write_next_chunk(Export.objects.get())
    assert len(files(storage, export)) == 2
    assert Export.objects.get().chunks == 1

    export = Export.objects.get()
    write(export)

    assert buyers(iter_chunks(export)) == ["b1", "b2", "b3", "b4", "b5", "b6", "b7"]
    assert (export.rows, export.chunks, len(files(storage, export))) == (7, 3, 4)


@pytest.mark.usefixtures("_parts_of_three")
def test_of_two_workers_with_the_same_part_one_moves_the_export_on(make_sale: MakeSale, storage: Storage) -> None:
    sale = make_sale(publish=False, stock=7)
    write_orders(sale, 7)
    asked(statuses=["pending"])
    fast, slow = Export.objects.get(), Export.objects.get()

    assert write_next_chunk(fast)
    Order.objects.filter(buyer="b1").update(status="paid")  # so that the same chunk has other content by now
    assert not write_next_chunk(slow)

    export = Export.objects.get()
    assert (export.rows, export.files, files(storage, export)) == (3, fast.files, {"0001.csv"})
    write(export)
    assert buyers(iter_chunks(export)) == ["b1", "b2", "b3", "b4", "b5", "b6", "b7"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_parts_of_three")
def test_two_workers_at_once_write_every_order_once(make_sale: MakeSale) -> None:
    write_orders(make_sale(publish=False, stock=30), 30)
    export = asked()

    def work() -> int:
        won = 0
        while not (seen := Export.objects.get()).result:
            won += write_next_chunk(seen)
        return won

    assert sum(at_once([work, work])) == 10
    export.refresh_from_db()
    assert buyers(iter_chunks(export)) == [f"b{number}" for number in range(1, 31)]


@pytest.mark.usefixtures("_parts_of_three")
def test_a_cancelled_export_goes_no_further(make_sale: MakeSale, storage: Storage) -> None:
    write_orders(make_sale(publish=False, stock=7), 7)
    export = asked()
    write_next_chunk(export)
    in_work = Export.objects.get()

    assert mark_cancelled(export)

    assert not write_next_chunk(in_work)
    export.refresh_from_db()
    assert (export.result, export.rows, files(storage, export)) == ("cancelled", 3, {"0001.csv"})
    assert not mark_cancelled(export)


def test_an_export_ends_once() -> None:
    done, failed = written(), asked()

    assert mark_failed(failed, "No space left.")

    for export, result, error in ((done, "done", ""), (failed, "failed", "No space left.")):
        assert not mark_cancelled(export)
        assert not mark_failed(export, "Again.")
        assert (export.result, export.error) == (result, error)


@pytest.mark.usefixtures("_parts_of_three")
def test_a_part_costs_the_same_queries_wherever_it_is(make_sale: MakeSale) -> None:
    write_orders(make_sale(publish=False, stock=30), 30)
    export = asked()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            write_next_chunk(export)
        return len(captured)

    assert [queries() for _ in range(10)] == [3, *[2] * 9]  # the first one counts
