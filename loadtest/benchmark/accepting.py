"""Measure accepted purchases: by connections, by log sync mode, while orders are written, and by length of the line."""

from functools import partial
from statistics import median

from loadtest.benchmark import wrk
from loadtest.benchmark.costs import Costs, costs
from loadtest.benchmark.open_files import can_open
from loadtest.benchmark.result import Findings, Reading
from loadtest.benchmark.settling import orders_per_second
from loadtest.benchmark.shop import MeasuredShop
from loadtest.benchmark.side import Side, check_count, reading

FLASH_STOCK = 100
ENDLESS_STOCK = 10_000_000
MANY, VERY_MANY = 1_000, 10_000
SHORT_LINE, LONG_LINE = 1_000, 1_000_000
MANY_SALES = 1_000
PAIRS = 3  #: number of measurement pairs (long and short line) for the growth figures


def accept(side: Side, seconds: int, *, row: str = "accept", connections: int = wrk.CONNECTIONS) -> Findings:
    """Each buyer purchases once in a new sale with 100 units."""
    shop = side.line
    sale = shop.new_sale(stock=FLASH_STOCK)
    answers, spent = _bought(side, shop, "purchase", sale, seconds, connections)
    shop.retire([sale])
    return Findings({row: reading(answers, spent)})


accept_512 = partial(accept, row="accept_512", connections=512)


def connections(side: Side, seconds: int) -> Findings:
    """Purchases over 1,000 and 10,000 connections. A count above the open-file limit is skipped."""
    found = Findings()
    for count, row in ((MANY, "accept_1000"), (VERY_MANY, "accept_10000")):
        if can_open(count):
            found.take(accept(side, seconds, row=row, connections=count))
    return found


def log(side: Side, seconds: int) -> Findings:
    """Purchases with Valkey's log synced once a second, and the ratio to a sync before each response."""
    always = accept(side, seconds).readings["accept"]
    side.line.sync_log("everysec")
    try:
        found = accept(side, seconds, row="everysec")
    finally:
        side.line.sync_log("always")
    if everysec := found.readings["everysec"].per_second:
        found.figures["always_cost"] = 100 * (1 - always.per_second / everysec)
    return found


def endless(side: Side, seconds: int) -> Findings:
    """Unlimited stock: accepted purchases and written orders, both counted over the same seconds."""
    shop = side.line
    sale = shop.new_sale(stock=ENDLESS_STOCK)
    answers, before = side.buy(shop, "purchase", sale, seconds)
    written = shop.sold(sale)
    shop.await_rest()
    purchases = shop.purchases(sale)
    check_count(answers, purchases)
    spent = costs(before, shop.meters(), purchases)
    shop.retire([sale])
    meanwhile = written * answers.per_second / answers.requests if answers.requests else 0.0
    return Findings({"endless": reading(answers, spent), "endless_orders": Reading(meanwhile, None, 0, spent)})


def sync(side: Side, seconds: int) -> Findings:
    """Purchases in the synchronous system."""
    shop = side.shops["sync"]
    sale = shop.new_sale(stock=ENDLESS_STOCK)
    answers, spent = _bought(side, shop, "purchase/sync", sale, seconds)
    shop.retire([sale])
    return Findings({"sync": reading(answers, spent)})


def naive(side: Side, seconds: int) -> Findings:
    """Purchases in the naive system, until the last order is written."""
    shop = side.shops["naive"]
    sale = shop.new_sale(stock=ENDLESS_STOCK)
    answers, spent = _bought(side, shop, "purchase", sale, seconds)
    written = Reading(orders_per_second(shop.commits(sale)), None, 0, spent)
    return Findings({"naive_accept": reading(answers, spent), "naive_orders": written})


def growth(side: Side, seconds: int) -> Findings:
    """CPU per purchase: a line of 1,000,000 against one of 1,000, and 1,000 open sales against few."""
    shop = side.line
    memory = shop.meters().redis_memory
    long = shop.new_sale(stock=FLASH_STOCK)
    shop.join(long, LONG_LINE, "early")
    found = Findings(figures={"bytes_buyer": (shop.meters().redis_memory - memory) / LONG_LINE})
    pairs = []
    for turn in range(PAIRS):
        short = shop.new_sale(stock=FLASH_STOCK)
        shop.join(short, SHORT_LINE, "early")
        pairs.append(tuple(_purchase_cpu(side, sale, seconds, f"turn{turn}-") for sale in (short, long)))
        shop.retire([short])
    shop.retire([long])
    found.figures.update(_grown("short_line_cpu", "long_line_cpu", "long_line_times", pairs))
    few = [_purchase_cpu(side, shop.new_sale(stock=FLASH_STOCK), seconds, "few-") for _ in range(PAIRS)]
    many_sales = shop.new_sales(MANY_SALES, stock=FLASH_STOCK)
    many = [_purchase_cpu(side, many_sales[turn], seconds, "many-") for turn in range(PAIRS)]
    shop.retire(many_sales)
    found.figures.update(
        _grown("one_sale_cpu", "many_sales_cpu", "many_sales_times", list(zip(few, many, strict=True)))
    )
    return found


def _grown(small: str, large: str, times: str, pairs: list[tuple[float, ...]]) -> dict[str, float]:
    return {
        small: median(few for few, _ in pairs),
        large: median(many for _, many in pairs),
        times: median(many / few for few, many in pairs),
    }


def _purchase_cpu(side: Side, sale: int, seconds: int, prefix: str) -> float:
    """Return µs of CPU per purchase in this sale, all processes together."""
    answers, before = side.buy(side.line, "purchase", sale, seconds, prefix=prefix)
    side.line.await_rest()
    return sum(costs(before, side.line.meters(), answers.requests).cpu_us.values())


def _bought(
    side: Side, shop: MeasuredShop, path: str, sale: int, seconds: int, connections: int = wrk.CONNECTIONS
) -> tuple[wrk.Answers, Costs]:
    """The costs cover everything the purchases caused, up to the last order."""
    answers, before = side.buy(shop, path, sale, seconds, connections=connections)
    shop.await_rest()
    purchases = shop.purchases(sale)
    check_count(answers, purchases, connections)
    return answers, costs(before, shop.meters(), purchases)
