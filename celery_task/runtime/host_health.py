"""Load, free memory and free disk space of this host."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

MEMORY = Path("/proc/meminfo")  # Linux
MIB = 2**20


@dataclass(frozen=True, slots=True)
class HostHealth:
    """Values for a row of `seckill.monitoring.models.Host`. None where the operating system does not report one."""

    load: float | None  #: runnable processes per core, averaged over a minute
    memory_free_mib: int | None
    disk_free_mib: int


def read_health() -> HostHealth:
    """Measure this host."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else None
    free = re.search(r"^MemAvailable:\s+(\d+) kB$", MEMORY.read_text(), re.MULTILINE) if MEMORY.exists() else None
    return HostHealth(
        load=None if load is None else round(load, 2),
        memory_free_mib=int(free[1]) // 1024 if free else None,
        disk_free_mib=shutil.disk_usage(settings.VAR_DIR).free // MIB,
    )
