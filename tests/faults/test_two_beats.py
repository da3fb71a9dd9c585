"""Two beats at once: nothing is done twice"""

import re
from collections import Counter

from devtools.embedded.shop import BEAT
from devtools.waiting import wait_until
from tests.faults.conftest import MakeCase, OpenShop
from tests.faults.shop import PARTS

STOCK = 20
BUYERS = 60


def test_units_nobody_pays_for_go_round_once(open_shop: OpenShop, make_case: MakeCase) -> None:
    shop = open_shop(parts={**PARTS, "second beat": BEAT})
    case = make_case(shop, buyers=BUYERS, stock=STOCK)
    shop.sql(f"UPDATE catalog_sale SET pay_within_seconds = 2 WHERE id = {case.sale}")
    case.broken()
    with case:
        wait_until(
            "everybody had a unit and let it go",
            lambda: Counter(status for _, _, status in shop.orders(case.sale)) == {"expired": BUYERS},
        )
        wait_until("all orders are released", lambda: len(case.crowd.with_status("released")) == BUYERS)
    orders = shop.orders(case.sale)
    assert [place for place, _, _ in orders] == list(range(1, BUYERS + 1))
    assert {buyer.name: buyer.place for buyer in case.crowd.buyers} == {buyer: place for place, buyer, _ in orders}
    assert shop.books(case.sale) == {"stock": STOCK, "sold": 0, "active_orders": 0, "left": STOCK, "reservations": 0}
    expired = re.findall(rf"orders_expired.*orders=(\d+) sale={case.sale}\b", shop.log("worker"))
    assert sum(map(int, expired)) == BUYERS
