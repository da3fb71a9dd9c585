"""The machine and its installed versions, for the reader of a measurement."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

from devtools.embedded.valkey import find_server

PACKAGES = (
    "Django",
    "djangorestframework",
    "celery",
    "kombu",
    "redis",
    "gunicorn",
    "uvicorn",
    "uvloop",
    "psycopg",
    "locust",
)


def hardware() -> str:
    """Return cores, memory and kernel, in one line."""
    model = platform.processor() or platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        names = [line.split(":", 1)[1].strip() for line in cpu_info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory_gib = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores ({model}), {memory_gib:.0f} GiB, {platform.system()} {platform.release()};"
        " load generator and servers share them"
    )


def versions(ledger: str) -> str:
    """Return Python, the servers and the main packages, in one line. ``ledger`` names the database and its version."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, {ledger}, line on {find_server().name}, {packages}"
