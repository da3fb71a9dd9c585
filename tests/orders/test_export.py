"""Exports: the orders they contain, writing in chunks, and deletion."""

import stat
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from pytest_django import Settings

from orders import export as module
from orders.export import (
    TooManyExportsError,
    TooManyOrdersError,
    delete_old_exports,
    export_now,
    files_exist,
    iter_chunks,
    lease_stalled_exports,
    mark_cancelled,
    mark_failed,
    request_export,
    write_next_chunk,
)
from orders.models import Export, Order
from seckill.catalog.models import Product
from tests.conftest import MakeSale
from tests.orders.bulk import buyers, clerk, empty_storage, new_export, rows, write_orders
from tests.orders.crowd import at_once

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def storage(settings: Settings, tmp_path: Path) -> Storage:
    """An empty storage."""
    empty_storage(settings, tmp_path)
    return storages["exports"]


@pytest.fixture
def _parts_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 3)


def asked(**wanted: object) -> Export:
    """A requested export."""
    export = new_export(**wanted)
    request_export(export)
    return export


def write(export: Export) -> None:
    """Write all missing chunks."""
    while not export.result:
        assert write_next_chunk(export)


def written(**wanted: object) -> Export:
    """Return a finished export."""
    export = asked(**wanted)
    write(export)
    return export


def files(storage: Storage, export: Export) -> set[str]:
    """Return the file names below the export's directory."""
    return set(storage.listdir(str(export.pk))[1]) if storage.exists(str(export.pk)) else set()


def lines(storage: Storage, name: str) -> int:
    """Return the number of lines of a file."""
    with storage.open(name) as file:
        return len(file.readlines())


# --- Selected orders


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


# --- Chunks


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


# --- Limits


@pytest.mark.usefixtures("_parts_of_three")
def test_few_orders_are_written_at_once_and_many_are_not(make_sale: MakeSale) -> None:
    sale = make_sale(publish=False, stock=7)
    write_orders(sale, 3)

    assert buyers([export_now(new_export())]) == ["b1", "b2", "b3"]
    write_orders(sale, 1)
    with pytest.raises(TooManyOrdersError):
        export_now(new_export())
    assert not Export.objects.exists()


def test_nobody_has_more_than_five_that_are_not_finished() -> None:
    exports = [asked() for _ in range(5)]
    with pytest.raises(TooManyExportsError):
        asked()

    asked(requested_by=clerk("another"))
    mark_cancelled(exports[0])
    asked()

    assert Export.objects.filter(result="").count() == 6


@pytest.mark.django_db(transaction=True)
def test_asking_often_at_once_is_counted_too() -> None:
    somebody = clerk()

    def try_it() -> bool:
        try:
            asked(requested_by=somebody)
        except TooManyExportsError:
            return False
        return True

    assert sum(at_once([try_it] * 12)) == 5
    assert Export.objects.count() == 5


# --- Clean-up


def move_back(export: Export, age: timedelta) -> None:
    """Set the export's last activity this far into the past."""
    Export.objects.filter(pk=export.pk).update(locked_at=timezone.now() - age)


def test_an_export_that_nobody_moves_is_given_out_once_a_minute(make_sale: MakeSale) -> None:
    write_orders(make_sale(publish=False), 1)
    lost, busy, done = asked(), asked(), written()
    for export in (lost, done):
        move_back(export, timedelta(seconds=61))
    move_back(busy, timedelta(seconds=30))

    assert lease_stalled_exports() == [lost]
    assert lease_stalled_exports() == []
    move_back(lost, timedelta(seconds=61))
    assert lease_stalled_exports() == [lost]


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_give_each_export_out_once() -> None:
    exports = [asked() for _ in range(5)]
    for export in exports:
        move_back(export, timedelta(seconds=61))

    given_out = [export.pk for sweep in at_once([lease_stalled_exports] * 4) for export in sweep]

    assert sorted(given_out) == sorted(export.pk for export in exports)


def test_an_export_that_takes_more_than_a_day_has_failed() -> None:
    old, young = asked(), asked()
    Export.objects.filter(pk=old.pk).update(requested_at=timezone.now() - DAY - timedelta(seconds=1))
    Export.objects.filter(pk=young.pk).update(requested_at=timezone.now() - DAY + timedelta(minutes=1))

    assert lease_stalled_exports() == []

    old.refresh_from_db()
    young.refresh_from_db()
    assert (old.result, old.error, young.result) == ("failed", "The export did not finish within a day.", "")
    assert old.ended_at is not None


@pytest.mark.usefixtures("_parts_of_three")
def test_after_a_week_an_export_is_forgotten_with_all_its_files(make_sale: MakeSale, storage: Storage) -> None:
    write_orders(make_sale(publish=False, stock=7), 7)
    old, young, unfinished = written(), written(), asked()
    write_next_chunk(unfinished)
    ownerless = written(requested_by=clerk("somebody who left"))
    ownerless.requested_by.delete()
    week = timedelta(days=7)
    Export.objects.filter(pk__in=(old.pk, unfinished.pk)).update(
        requested_at=timezone.now() - week - timedelta(minutes=1)
    )
    Export.objects.filter(pk=young.pk).update(requested_at=timezone.now() - week + timedelta(minutes=1))
    storage.save(f"{old.pk}/0001.csv", ContentFile(b"as a lost worker leaves it"))

    delete_old_exports()

    assert list(Export.objects.all()) == [young]
    assert storage.listdir("")[0] == [str(young.pk)]
    assert files_exist(young)
    assert buyers(iter_chunks(young)) == ["b1", "b2", "b3", "b4", "b5", "b6", "b7"]
    assert not files_exist(old)


def test_where_nothing_was_ever_exported_nothing_is_forgotten(storage: Storage) -> None:
    delete_old_exports()

    assert not storage.exists("")
