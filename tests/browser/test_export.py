"""Exports in the admin with a real browser and a real shop: the button, the progress bar, the file."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from devtools.embedded.shop import EXPORTS, Shop
from devtools.waiting import wait_until
from tests.browser.admin import enter_admin
from tests.shop.conftest import OpenShop, open_shop
from tests.visitor import post

__all__ = ["open_shop"]

ORDERS = 6


def sell(shop: Shop) -> None:
    """Write an order for each buyer."""
    for buyer_pass in shop.manage("issue_passes", "1", "--count", str(ORDERS)).split():
        bearer = {"Authorization": f"Bearer {buyer_pass}"}
        assert post(f"{shop.address}/api/sales/1/purchase", headers=bearer).status_code == 202
    wait_until("all have their orders", lambda: shop.sql("SELECT count(*) FROM orders_order") == [(ORDERS,)])


def filled(bar: Locator) -> float:
    """Return how much of a bar is filled, from 0 to 1."""
    widths = "bar => bar.firstElementChild.getBoundingClientRect().width / bar.getBoundingClientRect().width"
    return float(bar.evaluate(widths))


def test_an_admin_exports_all_orders_watches_the_bar_and_downloads_the_file(
    open_shop: OpenShop, browser: Browser, tmp_path: Path
) -> None:
    shop = open_shop(stock=ORDERS)
    shop.parts = {**shop.parts, "exports": (*EXPORTS, "--include", "tests.workers.slow_exports")}
    shop.environment["PARTS_LET_GO"] = str(tmp_path)
    sell(shop)

    page = enter_admin(browser, shop, "orders/order/")
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.get_by_role("button", name="Export these orders").click()

    # No worker runs yet.
    panel = page.get_by_role("region", name="Progress")
    bar = panel.get_by_role("progressbar")
    state = panel.locator("[data-state]")
    expect(state).to_have_text("queued")
    assert (bar.get_attribute("aria-valuenow"), filled(bar)) == ("0", 0)
    page.evaluate("window.isTheSamePage = true")

    # The first half is written; the second half waits.
    (tmp_path / "1").touch()
    shop.start("exports")
    wait_until("a part is written", lambda: shop.sql("SELECT rows FROM orders_export") == [(3,)])
    expect(bar).to_have_attribute("aria-valuenow", "50")
    expect(panel.locator("[data-rows]")).to_have_text("3 / 6")
    expect(state).to_have_text("in progress")
    assert filled(bar) == pytest.approx(0.5, abs=0.01)
    assert page.evaluate("window.isTheSamePage") is True

    # At the end the page shows the link to the file without a reload.
    (tmp_path / "2").touch()
    link = panel.get_by_role("link", name="Download")
    expect(link).to_be_visible()
    assert (state.inner_text().lower(), bar.get_attribute("aria-valuenow"), filled(bar)) == ("done", "100", 1)

    with page.expect_download() as download:
        link.click()
    with download.value.path().open(newline="") as file:
        rows = [(row["number"], int(row["place"]), row["status"]) for row in csv.DictReader(file)]
    assert rows == shop.sql("SELECT number, place, status FROM orders_order ORDER BY id")
    assert [place for _, place, _ in rows] == [1, 2, 3, 4, 5, 6]
    assert failures == []
