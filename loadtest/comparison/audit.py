"""The audit: compare the ledger and Redis with the responses buyers received.

It reads tables and keys directly and uses none of the product's code.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import redis

from devtools.embedded.shop import Shop
from loadtest.comparison.result import Check
from loadtest.crowd.purchase import Purchase
from loadtest.systems import System
from seckill.line.keys import sale_keys

HOLDS_A_UNIT = "sale_id = 1 AND status IN ('pending', 'paid')"


def ask_again(shop: Shop, purchases: Sequence[Purchase]) -> list[Purchase]:
    """Poll again for buyers who gave up, and return the purchases with their present outcome."""

    def outcome(purchase: Purchase) -> Purchase:
        if not purchase.ticket or purchase.outcome:
            return purchase
        document = shop.get(f"/api/tickets/{purchase.ticket}")
        if document.get("status") in (None, "queued"):
            return purchase
        return replace(purchase, outcome=document["status"], order=document.get("order", ""))

    with ThreadPoolExecutor(8) as asking:
        return list(asking.map(outcome, purchases))


def audit(shop: Shop, system: System, purchases: Sequence[Purchase], *, stock: int) -> list[Check]:
    """Return every check of the audit, in the order of a report. The shop must be idle."""
    promised = [purchase for purchase in purchases if purchase.answered]
    ((orders, buyers, first, last),) = shop.sql(
        "SELECT count(*), count(DISTINCT buyer), coalesce(min(place), 1), coalesce(max(place), 0)"  # noqa: S608 (ours)
        f" FROM orders_order WHERE {HOLDS_A_UNIT}"
    )
    ((sold,),) = shop.sql("SELECT sold FROM catalog_sale WHERE id = 1")
    numbers = {number for (number,) in shop.sql(f"SELECT number FROM orders_order WHERE {HOLDS_A_UNIT}")}  # noqa: S608
    told = [purchase.order for purchase in purchases if purchase.outcome == "confirmed"]
    undecided = sum(1 for purchase in promised if not purchase.outcome)
    unanswered = len(purchases) - len(promised)  # buyers who gave up without a response may still have got an order
    untold = len(numbers - set(told))
    return [
        _between(
            "sold = the lesser of stock and buyers", min(stock, len(promised)), orders, min(stock, len(purchases))
        ),
        _equal("oversold", 0, max(0, orders - stock)),
        *([_equal("the sale's own count of sold units", orders, sold)] if system.has_line else []),
        _equal("buyers with two orders", 0, orders - buyers),
        _equal("accepted purchases without an outcome", 0, undecided),
        _equal("orders told to somebody and not in the ledger, or told twice", 0, len(told) - len(numbers & set(told))),
        _between("orders that nobody was told of", 0, untold, unanswered),
        _equal("places of the orders, first to last: nobody passed over", f"1-{orders}", f"{first}-{last}"),
        *_tickets(shop, promised),
        *(_redis(shop, stock - orders, orders) if system.has_line else []),
    ]


def _tickets(shop: Shop, promised: Sequence[Purchase]) -> list[Check]:
    """Check that each place told with a ticket is unique and equals the order's place, for systems with places."""
    places = {purchase.order: purchase.place for purchase in promised if purchase.place and purchase.order}
    told = [purchase.place for purchase in promised if purchase.place]
    if not told:
        return []
    ledger = dict(shop.sql(f"SELECT number, place FROM orders_order WHERE {HOLDS_A_UNIT}"))  # noqa: S608 (ours)
    return [
        _equal("places promised to two buyers", 0, len(told) - len(set(told))),
        _equal("orders at another place than promised", 0, sum(ledger.get(o) != p for o, p in places.items())),
    ]


def _redis(shop: Shop, left: int, orders: int) -> list[Check]:
    keys = sale_keys(1)
    with redis.Redis.from_url(shop.environment["REDIS_URL"], decode_responses=True) as client:
        return [
            _equal("units left in Redis = stock - sold", left, int(client.get(keys.stock) or 0)),
            _equal("units still reserved", 0, client.hlen(keys.pending)),
            _equal("outcomes in Redis = orders", orders, client.hlen(keys.outcomes)),
        ]


def _equal(name: str, expected: object, found: object) -> Check:
    return Check(name, str(expected), str(found), expected == found)


def _between(name: str, least: int, found: int, most: int) -> Check:
    """Check that a value is within limits.

    The limits differ by the buyers who got no response: their outcome is unknown.
    """
    return Check(name, str(least) if least == most else f"{least} to {most}", str(found), least <= found <= most)
