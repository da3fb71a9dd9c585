"""Open pages of the admin in a browser."""

from playwright.sync_api import Browser, Page

from devtools.embedded.shop import Shop
from tests.browser.chromium import new_context


def enter_admin(browser: Browser, shop: Shop, path: str) -> Page:
    """Return an admin page after logging in as the superuser."""
    page = new_context(browser).new_page()
    page.goto(f"{shop.address}/admin/{path}")
    page.locator("input[name=username]").fill("admin")
    page.locator("input[name=password]").fill("admin")
    page.locator("button[type=submit]").click()
    return page
