"""Exports: limits and deletion."""

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.utils import timezone

from orders.export import (
    TooManyExportsError,
    TooManyOrdersError,
    delete_old_exports,
    export_now,
    files_exist,
    iter_chunks,
    lease_stalled_exports,
    mark_cancelled,
    write_next_chunk,
)
from orders.models import Export
from tests.conftest import MakeSale
from tests.orders.bulk import buyers, clerk, new_export, write_orders
from tests.orders.crowd import at_once
from tests.orders.exports.export import asked, written

pytestmark = pytest.mark.django_db


DAY = timedelta(days=1)


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
