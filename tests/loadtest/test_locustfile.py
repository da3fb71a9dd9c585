"""The locustfile against a running shop, through HTTP only."""

import re
import subprocess
import sys
from pathlib import Path

from devtools.embedded.shop import PROJECT, Shop
from devtools.waiting import WAIT_SECONDS_MAX
from loadtest.crowd.purchase import Purchase, read_purchases
from tests.shop.conftest import OpenShop, open_shop

__all__ = ["open_shop"]


def locust(shop: Shop, records: Path, *options: str) -> str:
    """Run Locust to the end and return its output."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "locust", "-f", "loadtest/locustfile.py", "--headless", "--only-summary"),
            *("--host", shop.address, "--records", str(records), *options),
        ],
        cwd=PROJECT, env=shop.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=3 * WAIT_SECONDS_MAX, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout  # 1: some requests failed, such as 429 while registering
    return done.stdout


def outcomes(purchases: list[Purchase]) -> list[str]:
    return sorted(purchase.outcome for purchase in purchases)


def test_buyers_without_passes_register_and_buy(open_shop: OpenShop, tmp_path: Path) -> None:
    shop = open_shop(stock=3)

    printed = locust(shop, tmp_path, "--users", "5", "--spawn-rate", "5", "--pay", "1", "Buyer")

    purchases = read_purchases(tmp_path)
    assert outcomes(purchases)[:3] == ["confirmed"] * 3
    assert set(outcomes(purchases)[3:]) <= {"waitlisted", "sold_out"}  # the sale ends once the third buyer has paid
    places = sorted(purchase.place for purchase in purchases if purchase.place)
    assert places == list(range(1, len(places) + 1))
    # Three may have paid before the last buyers come: these are rejected.
    assert [purchase.outcome for purchase in purchases if not purchase.place] == ["sold_out"] * (5 - len(places))
    assert [purchase.paid for purchase in purchases if purchase.outcome == "confirmed"] == [True] * 3
    assert shop.sql("SELECT count(*) FROM orders_order WHERE status = 'paid'") == [(3,)]
    assert shop.sql("SELECT count(*) FROM accounts_user WHERE username LIKE 'load-%'") == [(5,)]
    assert re.search(r"time to outcome +5 +0\(0.00%\)", printed)


def test_a_ramp_says_how_far_it_came(open_shop: OpenShop, tmp_path: Path) -> None:
    shop = open_shop(stock=1000)
    passes = tmp_path / "passes"
    passes.write_text(shop.manage("issue_passes", "1", "--count", "500"))

    printed = locust(
        shop, tmp_path, "--passes", str(passes), "--shape", "ramp", "--users", "40", "--run-time", "18s", "Buyer"
    )

    assert re.search(
        r"^ramp: \d+ purchases/s, p99 \d+ ms, 0.0% errors(: this is where it breaks)?$", printed, re.MULTILINE
    )
    purchases = read_purchases(tmp_path)
    assert len({purchase.place for purchase in purchases if purchase.place}) == len(
        [purchase for purchase in purchases if purchase.place]
    )
    assert "confirmed" in outcomes(purchases)


def test_without_a_shop_nobody_waits_for_ever(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "locust", "-f", "loadtest/locustfile.py", "--headless", "--only-summary"),
            *("--host", "http://127.0.0.1:9", "--users", "1", "--run-time", "3s", "--records", str(tmp_path), "Buyer"),
        ],
        cwd=PROJECT, capture_output=True, text=True, timeout=WAIT_SECONDS_MAX, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "register 0" in done.stderr
