"""Find a browser: one on the machine, else Playwright's download, else an apt package (as root on Debian)."""

import os
import shutil
import sys

from playwright.sync_api import Browser, BrowserContext, Error, Playwright, ViewportSize

from devtools.waiting import WAIT_SECONDS_MAX
from tests.machine import install, run

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DOWNLOAD = (sys.executable, "-m", "playwright", "install", "chromium")
DOWNLOAD_SECONDS_MAX = 180
PATIENCE_MS = 1000 * WAIT_SECONDS_MAX
FLAGS = [
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-gpu",
]


class NoBrowserError(Exception):
    """No browser found; the message has the error of each attempt."""


def new_context(browser: Browser, viewport: ViewportSize | None = None) -> BrowserContext:
    """Return a fresh browser context with a long timeout."""
    context = browser.new_context(viewport=viewport)
    context.set_default_timeout(PATIENCE_MS)
    return context


def launch(playwright: Playwright) -> Browser:
    """Start Chromium. Raises NoBrowserError."""
    tried = []
    if path := _on_path():
        return _launch(playwright, path)
    tried.append(f"on PATH: none of {', '.join(NAMES)}")
    try:
        return _launch(playwright, None)
    except Error:
        tried.append(f"Playwright's own: {run(*DOWNLOAD, seconds_max=DOWNLOAD_SECONDS_MAX) or 'downloaded'}")
    try:
        return _launch(playwright, None)
    except Error:
        tried.append(f"apt: {install('chromium', 'fonts-noto-cjk') or 'installed'}")
    if path := _on_path():
        return _launch(playwright, path)
    raise NoBrowserError("; ".join(tried))


def _on_path() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def _launch(playwright: Playwright, path: str | None) -> Browser:
    root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to start its sandbox as root
    return playwright.chromium.launch(executable_path=path, args=[*FLAGS, *root])
