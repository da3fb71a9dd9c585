"""Negative control: with the guards off the suite sees an oversell"""

import pytest

from devtools.waiting import wait_until
from loadtest.comparison.control import switch_guard_off
from tests.faults.conftest import MakeCase, OpenShop


def test_an_oversell_is_seen(open_shop: OpenShop, make_case: MakeCase) -> None:
    shop = open_shop()
    case = make_case(shop, poll_seconds=2.0)
    switch_guard_off(shop)
    with case:
        wait_until("all is sold", lambda: len(shop.orders(case.sale)) == case.stock)
        with shop.line() as line:
            line.flushall()
        wait_until("more is sold than there is", lambda: len(shop.orders(case.sale)) > case.stock)
        with pytest.raises(AssertionError):
            case.audit()
    assert shop.books(case.sale)["active_orders"] > case.stock
