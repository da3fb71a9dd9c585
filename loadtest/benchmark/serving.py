"""Measure repeated requests: polls, pages, passes, refusals, and a mix of all."""

import json
import math
import urllib.error
import urllib.request
from pathlib import Path

from devtools.waiting import wait_until
from loadtest.benchmark import wrk
from loadtest.benchmark.costs import costs
from loadtest.benchmark.generator import generate
from loadtest.benchmark.pacer import Answers
from loadtest.benchmark.result import Findings, Reading
from loadtest.benchmark.shop import MeasuredShop
from loadtest.benchmark.side import ACCOUNTS, Side, reading

LIMIT = 100  #: places in the line of a sold-out sale
REFUSED_BUYERS = 1000
REQUESTS_OF_A_BUYER = 6
MIXED_SALES_FIRST, MIXED_SALES_MAX = 10, 100
SPARE = 1.3
CONFLICT = 409


def constant(side: Side, seconds: int) -> Findings:
    """The ceiling: a constant response."""
    return Findings({"constant": _get(side.shops["constant"], "/constant", seconds)})


def poll_waiting(side: Side, seconds: int) -> Findings:
    """Poll tickets that are on the waitlist."""
    return Findings({"poll_waiting": _rotate(side.line, side.tickets[0], seconds)})


def poll_decided(side: Side, seconds: int) -> Findings:
    """Poll tickets that have an order."""
    return Findings({"poll_decided": _rotate(side.line, side.tickets[1], seconds)})


def progress(side: Side, seconds: int) -> Findings:
    """Read the progress of a line."""
    return Findings({"progress": _get(side.line, "/api/sales/1/progress", seconds)})


def banners(side: Side, seconds: int) -> Findings:
    """Read the banner list."""
    return Findings({"banners": _get(side.line, "/api/banners/", seconds)})


def unchanged(side: Side, seconds: int) -> Findings:
    """Read the banner list with If-None-Match. Empty when the shop sends no ETag."""
    shop = side.line
    with urllib.request.urlopen(f"{shop.shop.address}/api/banners/", timeout=5) as answer:  # noqa: S310 (our own)
        version = answer.headers.get("ETag")
    if version is None:
        return Findings()
    file = side.rotating("unchanged", [("GET", "/api/banners/", f"If-None-Match: {version}")])
    return Findings({"unchanged": _rotate(shop, file, seconds)})


def sale_page(side: Side, seconds: int) -> Findings:
    """Read the page of a sale."""
    return Findings({"sale_page": _get(side.line, "/sales/1/", seconds)})


def passes(side: Side, seconds: int) -> Findings:
    """Fetch passes for logged-in buyers, repeatedly."""
    path = "/api/sales/1/pass"
    lines = [
        ("POST", path, *(f"{name}: {value}" for name, value in one.headers().items())) for one in side.accounts()
    ]  # fmt: skip
    return Findings({"pass": _rotate(side.line, side.rotating("accounts-rotating", lines), seconds)})


def refused(side: Side, seconds: int) -> Findings:
    """Purchase in a sale whose line is full."""
    shop = side.line
    sale = shop.new_sale(stock=1, line_limit=LIMIT)
    shop.join(sale, LIMIT)
    path = f"/api/sales/{sale}/purchase"
    late = shop.passes(sale, REFUSED_BUYERS, "late")
    file = side.rotating("refused", [("POST", path, f"Authorization: Bearer {one}") for one in late])
    wait_until("the line is full", lambda: _status(shop, path, late[0]) == CONFLICT)
    before = shop.meters()
    answers = wrk.run(shop.shop.address, seconds=seconds, script="rotate.lua", arguments=(file,))
    spent = costs(before, shop.meters(), answers.requests)
    admitted = shop.purchases(sale) - LIMIT
    shop.retire([sale])
    wrong = answers.broken + answers.requests - answers.refused + admitted
    return Findings({"refused": Reading(answers.per_second, answers.p99_ms, wrong, spent)})


class Mixed:
    """Buyers who behave like browsers, in as many sales as they need."""

    def __init__(self) -> None:
        self._fastest: dict[str, float] = {}  #: requests a second, by side

    def __call__(self, side: Side, seconds: int) -> Findings:
        """Run the measurement."""
        shop = side.line
        side.accounts()  # while warming up
        sales = shop.new_sales(self._sales(side.label, seconds), stock=LIMIT)
        before = shop.meters()
        listed = ",".join(map(str, sales))
        text = generate("journeys", shop.shop.port, seconds, wrk.CONNECTIONS, side.accounts_file, listed)
        answers = Answers(**json.loads(text))
        shop.await_rest()
        spent = costs(before, shop.meters(), answers.sent)
        shop.retire(sales)
        self._fastest[side.label] = max(answers.per_second, self._fastest.get(side.label, 0.0))
        wrong = sum(count for status, count in answers.statuses.items() if status not in {"200", "202"})
        return Findings({"mixed": Reading(answers.per_second, answers.p99_ms, wrong, spent)})

    def _sales(self, label: str, seconds: int) -> int:
        fastest = self._fastest.get(label)
        if fastest is None:
            return MIXED_SALES_FIRST * seconds
        return min(MIXED_SALES_MAX, math.ceil(SPARE * fastest * seconds / REQUESTS_OF_A_BUYER / ACCOUNTS))


def _get(shop: MeasuredShop, path: str, seconds: int) -> Reading:
    before = shop.meters()
    answers = wrk.run(f"{shop.shop.address}{path}", seconds=seconds)
    return reading(answers, costs(before, shop.meters(), answers.requests))


def _rotate(shop: MeasuredShop, requests: Path, seconds: int) -> Reading:
    before = shop.meters()
    answers = wrk.run(shop.shop.address, seconds=seconds, script="rotate.lua", arguments=(requests,))
    return reading(answers, costs(before, shop.meters(), answers.requests))


def _status(shop: MeasuredShop, path: str, buyer_pass: str) -> int:
    """Return the status of one purchase."""
    asked = urllib.request.Request(  # noqa: S310 (our own)
        f"{shop.shop.address}{path}", method="POST", headers={"Authorization": f"Bearer {buyer_pass}"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 (as above)
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
