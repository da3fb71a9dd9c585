"""The database's own constraints, which hold for any code above them."""

import inspect
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from orders import ledger, stock
from orders.ledger import write_orders
from orders.models import NUMBER_ALPHABET, Order, new_order_numbers
from orders.stock import SaleChangedError
from seckill.catalog.models import Sale
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import add_units_behind_its_back, entries, join, reserve_and_die, sell, sold

pytestmark = pytest.mark.django_db

COLUMNS = "sale_id, buyer, place, price, currency, status, created_at, pay_before"


def execute(sql: str, *values: int | str) -> int:
    """Run raw SQL in a transaction of its own; return the number of rows."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)


def test_the_database_refuses_more_sold_than_there_is_stock(make_sale: MakeSale) -> None:
    sale = make_sale(stock=57)
    assert execute("UPDATE catalog_sale SET sold = 57 WHERE id = %s", sale.pk) == 1

    with pytest.raises(IntegrityError, match="sale_never_oversold"):
        execute("UPDATE catalog_sale SET sold = sold + 1 WHERE id = %s", sale.pk)

    assert sold(sale) == 57


def test_the_database_refuses_a_stock_below_what_is_sold(make_sale: MakeSale) -> None:
    sale = make_sale(stock=57)
    execute("UPDATE catalog_sale SET sold = 41 WHERE id = %s", sale.pk)

    with pytest.raises(IntegrityError, match="sale_never_oversold"):
        execute("UPDATE catalog_sale SET stock = 40 WHERE id = %s", sale.pk)

    sale.refresh_from_db()
    assert (sale.stock, sale.sold) == (57, 41)


def test_the_database_refuses_a_negative_number_of_sold_units(make_sale: MakeSale) -> None:
    sale = make_sale(stock=57)

    with pytest.raises(IntegrityError, match="sold"):
        execute("UPDATE catalog_sale SET sold = sold - 1 WHERE id = %s", sale.pk)

    assert sold(sale) == 0


def test_the_database_refuses_a_second_order_of_one_buyer_in_a_sale(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    sell(line, sale, "ann")

    with pytest.raises(
        IntegrityError, match=r"order_one_per_buyer_and_sale|orders_order\.buyer, orders_order\.sale_id"
    ):
        execute(
            f"INSERT INTO orders_order (number, {COLUMNS})"  # noqa: S608 (constants)
            " SELECT 'SECOND-FOR-ANN', sale_id, buyer, 815, price, currency, status, created_at, pay_before"
            " FROM orders_order WHERE buyer = %s",
            "ann",
        )

    assert entries(sale) == [(1, "ann", "pending")]


def test_the_database_refuses_a_second_order_at_one_place(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    sell(line, sale, "ann")

    with pytest.raises(IntegrityError, match=r"order_one_per_place|orders_order\.sale_id, orders_order\.place"):
        execute(
            f"INSERT INTO orders_order (number, {COLUMNS})"  # noqa: S608 (constants)
            " SELECT 'ANNS-PLACE-2ND', sale_id, 'ben', place, price, currency, status, created_at, pay_before"
            " FROM orders_order WHERE buyer = %s",
            "ann",
        )

    assert entries(sale) == [(1, "ann", "pending")]


def test_the_same_buyer_and_place_are_fine_in_another_sale(make_sale: MakeSale, line: Line) -> None:
    kettles, lamps = make_sale(stock=1), make_sale(stock=1)

    sell(line, kettles, "ann")
    sell(line, lamps, "ann")

    assert entries(kettles) == entries(lamps) == [(1, "ann", "pending")]


def test_the_database_refuses_two_orders_of_one_number(make_sale: MakeSale, line: Line) -> None:
    number = sell(line, make_sale(stock=1), "ann")["ann"].number
    now = timezone.now()

    with pytest.raises(IntegrityError, match=r"order_number|orders_order\.number"), transaction.atomic():
        Order.objects.create(
            number=number, sale=(other := make_sale(stock=1)), buyer="ben", place=1, price=other.price,
            currency="USD", created_at=now, pay_before=now + timedelta(seconds=60),
        )  # fmt: skip

    assert list(Order.objects.values_list("number", "buyer")) == [(number, "ann")]


def unguarded(module: ModuleType, guard: str) -> dict[str, Any]:
    """Return the names of a module of the product, run without one of its guards."""
    source = inspect.getsource(module)
    assert source.count(guard) == 1
    names: dict[str, Any] = {"__name__": "unguarded"}
    exec(source.replace(guard, ""), names)  # noqa: S102 (the product's own source)
    return names


def test_without_the_guard_in_python_the_database_still_refuses_to_oversell(make_sale: MakeSale, line: Line) -> None:
    """Negative control: without the Python check the CHECK constraint must still refuse."""
    unguarded_ledger = unguarded(ledger, "[:units]")
    unguarded_ledger["take"] = unguarded(stock, 'sold__lte=F("stock") - units,')["take"]
    sale = make_sale(stock=3)
    join(line, sale, "ann", "ben", "cleo", "dan", "eve")
    add_units_behind_its_back(line, sale, 2)
    reservation = reserve_and_die(line, sale, upto=5)
    assert len(reservation.places) == 5

    with pytest.raises(IntegrityError, match="sale_never_oversold"):
        unguarded_ledger["write_orders"](reservation)

    assert (entries(sale), sold(sale)) == ([], 0)
    assert len(write_orders(reservation)) == 3  # with its check, as shipped
    assert (len(entries(sale)), sold(sale)) == (3, 3)


def test_an_order_is_one_transaction_with_what_is_sold(make_sale: MakeSale, line: Line) -> None:
    """If the counter cannot be updated, no orders are written."""
    sale = make_sale(stock=2)
    join(line, sale, "ann", "ben")
    reservation = reserve_and_die(line, sale, upto=2)

    def shrink_before_counting(execute, sql, params, many, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 (Django's wrapper)
        if sql.startswith('UPDATE "catalog_sale" SET "sold"'):
            context["cursor"].execute("UPDATE catalog_sale SET stock = 1 WHERE id = %s", [sale.pk])
        return execute(sql, params, many, context)

    with (
        pytest.raises(SaleChangedError),
        transaction.atomic(),
        connection.execute_wrapper(shrink_before_counting),
    ):
        write_orders(reservation)

    assert (entries(sale), sold(sale), Sale.objects.get(pk=sale.pk).stock) == ([], 0, 2)


def test_ten_thousand_order_numbers_differ_and_can_be_read_out_over_a_telephone() -> None:
    numbers = new_order_numbers(10_000)

    assert len(set(numbers)) == 10_000
    assert {len(number) for number in numbers} == {14}
    assert {number[4] + number[9] for number in numbers} == {"--"}
    for position in (*range(4), *range(5, 9), *range(10, 14)):
        assert {number[position] for number in numbers} == set(NUMBER_ALPHABET)  # five random bits each
    assert (len(NUMBER_ALPHABET), set("ILOU") & set(NUMBER_ALPHABET)) == (32, set())
