"""Settlement on a real line and a real ledger."""

import pytest

from orders.models import Order
from orders.settlement import settle
from seckill.line import verbs
from seckill.line.line import Line
from tests.conftest import MakeSale


@pytest.mark.django_db
def test_the_first_in_line_get_the_units(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    admission = line.run(verbs.admit(sale.pk, ["ann", "ben", "cleo", "dan"]))
    assert admission.places == [1, 2, 3, 4]

    assert settle(line, sale.pk, upto=4) == 3

    assert list(Order.objects.order_by("place").values_list("place", "buyer")) == [(1, "ann"), (2, "ben"), (3, "cleo")]
    sale.refresh_from_db()
    assert sale.sold == 3
