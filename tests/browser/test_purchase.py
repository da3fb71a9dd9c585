"""Purchases with a real browser and a real shop."""

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from devtools.embedded.shop import Shop
from devtools.waiting import wait_until
from tests.browser.admin import enter_admin
from tests.browser.chromium import new_context
from tests.shop.conftest import OpenShop, open_shop
from tests.visitor import get, post

__all__ = ["open_shop"]

PHONE = ViewportSize(width=390, height=844)


def register(page: Page, shop: Shop, name: str) -> None:
    page.goto(f"{shop.address}/register/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill("seven-copper-kettles")
    page.locator("main form button[type=submit]").click()
    expect(page.get_by_text(name).first).to_be_visible()


@pytest.fixture
def visitor(browser: Browser) -> BrowserContext:
    """A fresh browser context of a phone."""
    return new_context(browser, PHONE)


def test_a_buyer_registers_buys_waits_reloads_pays_and_the_admin_sees_it(
    open_shop: OpenShop, visitor: BrowserContext, browser: Browser
) -> None:
    shop = open_shop(stock=1)
    page = visitor.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda message: failures.append(message.text) if "Content Security" in message.text else None)

    # Another buyer holds the only unit, so this buyer is on the waitlist.
    bearer = {"Authorization": f"Bearer {shop.manage('issue_passes', '1').strip()}"}
    ticket = post(f"{shop.address}/api/sales/1/purchase", headers=bearer).json()["ticket"]
    poll = f"{shop.address}/api/tickets/{ticket}"
    wait_until("the first buyer's order", lambda: get(poll).json()["status"] == "confirmed")

    register(page, shop, "zoe")
    page.goto(f"{shop.address}/sales/1/")
    expect(page.get_by_role("heading", name="Copper kettle")).to_be_visible()
    page.locator("[data-action=buy]").click()
    expect(page.get_by_role("heading", name="You are on the waitlist")).to_be_visible()

    page.reload()
    expect(page.get_by_role("heading", name="You are on the waitlist")).to_be_visible()

    # The other buyer cancels; two seconds later this buyer has the unit.
    cancelled = post(f"{shop.address}/api/orders/{get(poll).json()['order']}/cancel", headers=bearer)
    assert cancelled.json()["status"] == "cancelled"
    expect(page.get_by_role("heading", name="It's yours")).to_be_visible()
    number = page.locator("[data-view=confirmed] [data-bind=number]").inner_text()
    assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", number)
    page.locator("[data-view=confirmed]").get_by_role("button", name=re.compile("^Pay")).click()
    expect(page.get_by_role("heading", name="Paid. Thank you.")).to_be_visible()

    page.goto(f"{shop.address}/orders/")
    expect(page.get_by_text(number)).to_be_visible()
    assert failures == []

    admin = enter_admin(browser, shop, "orders/order/")
    row = admin.locator("tr", has_text=number)
    expect(row).to_be_visible()
    expect(row).to_contain_text("zoe")


def test_a_double_click_buys_once_and_the_line_survives_a_lost_connection(
    open_shop: OpenShop, visitor: BrowserContext
) -> None:
    shop = open_shop(stock=5)
    shop.end("worker")
    page = visitor.new_page()
    register(page, shop, "quentin")
    page.goto(f"{shop.address}/sales/1/")
    page.locator("[data-action=buy]").dblclick()
    expect(page.get_by_role("heading", name="You are in line")).to_be_visible()
    assert shop.progress()["admitted"] == 1

    visitor.set_offline(True)
    expect(page.locator("dialog [data-error-banner]")).to_be_visible()
    shop.start("worker")
    visitor.set_offline(False)

    expect(page.get_by_role("heading", name="It's yours")).to_be_visible()
    expect(page.locator("dialog [data-error-banner]")).to_be_hidden()
    assert shop.progress()["admitted"] == 1


def test_the_page_is_chinese_where_it_says_so(open_shop: OpenShop, visitor: BrowserContext) -> None:
    shop = open_shop()
    page = visitor.new_page()
    page.goto(f"{shop.address}/zh-hans/sales/1/")
    assert page.locator("html").get_attribute("lang") == "zh-hans"
    expect(page.locator("[data-action=buy]")).to_have_text(re.compile("[\u4e00-\u9fff]"))
