"""The browser fixture."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chromium import PATIENCE_MS, NoBrowserError, launch
from tests.machine import lacks


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running Chromium. Without one the tests are skipped; in CI they fail.

    It ends with the module: no other test can have an event loop while Playwright runs.
    """
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        try:
            running = launch(playwright)
        except NoBrowserError as error:
            lacks(f"NO BROWSER, SO THE PURCHASE IN A REAL BROWSER WAS NOT TESTED: {error}")
        yield running
        running.close()
