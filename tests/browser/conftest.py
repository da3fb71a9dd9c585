"""A browser for the tests, whatever it takes to have one."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.chromium import NoBrowserError, launch


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running Chromium. Without one the tests are reported as not run; in CI that is a failure.

    It ends with the module: while Playwright runs, no other test can have an event loop.
    """
    with sync_playwright() as playwright:
        try:
            running = launch(playwright)
        except NoBrowserError as error:
            reason = f"NO BROWSER, SO THE PURCHASE IN A REAL BROWSER WAS NOT TESTED: {error}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        yield running
        running.close()
