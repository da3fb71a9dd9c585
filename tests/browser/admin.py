"""The shop's admin at a desk."""

from playwright.sync_api import Browser, Page

from devtools.embedded.shop import Shop
from tests.browser.chromium import new_context


def enter_admin(browser: Browser, shop: Shop, path: str) -> Page:
    """A page of the admin, opened by its superuser, who has to log in first."""
    page = new_context(browser).new_page()
    page.goto(f"{shop.address}/admin/{path}")
    page.locator("input[name=username]").fill("admin")
    page.locator("input[name=password]").fill("admin")
    page.locator("button[type=submit]").click()
    return page
