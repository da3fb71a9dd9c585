"""Costs per purchase: CPU time of a shop's processes and work of its Redis between two readings."""

from collections.abc import Mapping
from dataclasses import dataclass

import psutil
import redis


@dataclass(frozen=True, slots=True)
class Meters:
    """Totals since the start, at one moment."""

    cpu_seconds: dict[str, float]  #: by part
    redis_calls: dict[str, int]  #: by command, including those in scripts and those of the broker
    redis_memory: int  #: bytes in use
    redis_received: int  #: bytes over the network
    redis_sent: int


@dataclass(frozen=True, slots=True)
class Costs:
    """Cost of one unit (request, purchase or order)."""

    cpu_us: dict[str, float]  #: µs of CPU, by part
    redis_calls: dict[str, float]  #: commands, by name, including those in scripts and those of the broker
    redis_kept: float  #: bytes of memory added
    redis_received: float  #: bytes over the network
    redis_sent: float


def read_meters(parts: Mapping[str, int], client: redis.Redis) -> Meters:
    """Read the meters. ``parts`` maps names to process ids; each includes the process's descendants."""
    calls = client.info("commandstats")
    traffic = client.info("stats")
    return Meters(
        cpu_seconds={name: cpu_seconds(pid) for name, pid in parts.items()},
        redis_calls={
            name.removeprefix("cmdstat_"): int(of["calls"]) for name, of in calls.items() if name != "cmdstat_info"
        },
        redis_memory=int(client.info("memory")["used_memory"]),
        redis_received=int(traffic["total_net_input_bytes"]),
        redis_sent=int(traffic["total_net_output_bytes"]),
    )


def cpu_seconds(pid: int) -> float:
    """Return user and system CPU time of a process and its descendants, including those that have ended."""
    process = psutil.Process(pid)
    total = 0.0
    for member in (process, *process.children(recursive=True)):
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:  # the process has just ended
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def costs(before: Meters, after: Meters, units: int) -> Costs:
    """Return the cost per unit between two readings; empty costs when there are no units."""
    if units == 0:
        return Costs({}, {}, 0.0, 0.0, 0.0)
    calls = {name: count - before.redis_calls.get(name, 0) for name, count in after.redis_calls.items()}
    return Costs(
        cpu_us={
            name: (seconds - before.cpu_seconds[name]) / units * 1_000_000
            for name, seconds in after.cpu_seconds.items()
        },
        redis_calls={name: count / units for name, count in calls.items() if count},
        redis_kept=(after.redis_memory - before.redis_memory) / units,
        redis_received=(after.redis_received - before.redis_received) / units,
        redis_sent=(after.redis_sent - before.redis_sent) / units,
    )


def memory_bytes(pid: int) -> int:
    """Return memory of a process and its descendants: PSS on Linux (shared pages counted once), else RSS."""
    process = psutil.Process(pid)
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            total += member.memory_full_info().pss if psutil.LINUX else member.memory_info().rss
        except psutil.NoSuchProcess:  # the process has just ended
            continue
    return total
