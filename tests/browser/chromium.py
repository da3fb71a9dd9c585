"""Find a browser: one on the machine, else Playwright's download, else, as root on Debian, apt."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, Error, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DOWNLOAD_SECONDS_MAX = 180
APT_SECONDS_MAX = 600
FLAGS = [
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-gpu",
]


class NoBrowserError(Exception):
    """Nothing of the three worked; says what each said."""


def launch(playwright: Playwright) -> Browser:
    """A running Chromium. Raises NoBrowserError."""
    tried = []
    if path := _on_path():
        return _launch(playwright, path)
    tried.append(f"on PATH: none of {', '.join(NAMES)}")
    try:
        return _launch(playwright, None)
    except Error:
        tried.append(f"Playwright's own: {_download() or 'downloaded'}")
    try:
        return _launch(playwright, None)
    except Error:
        tried.append(f"apt: {_install() or 'installed'}")
    if path := _on_path():
        return _launch(playwright, path)
    raise NoBrowserError("; ".join(tried))


def _on_path() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def _launch(playwright: Playwright, path: str | None) -> Browser:
    root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to sandbox for root
    return playwright.chromium.launch(executable_path=path, args=[*FLAGS, *root])


def _download() -> str:
    """Why it did not work; empty if it did."""
    return _run([sys.executable, "-m", "playwright", "install", "chromium"], DOWNLOAD_SECONDS_MAX)


def _install() -> str:
    """Why it did not work; empty if it did."""
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        return "not root on Debian"
    return _run(["apt-get", "update"], APT_SECONDS_MAX) or _run(
        ["apt-get", "install", "--yes", "--no-install-recommends", "chromium", "fonts-noto-cjk"], APT_SECONDS_MAX
    )


def _run(command: list[str], seconds_max: float) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds_max,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else f"{' '.join(command[:3])} ended with {done.returncode}"
