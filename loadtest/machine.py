"""The machine and what is installed on it: every number is worth only as much as this line beside it."""

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
    """Cores, memory and kernel, in one line."""
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
    """Python, the servers and the packages that matter, in one line. ``ledger`` names the database and its version."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, {ledger}, line on {find_server().name}, {packages}"
