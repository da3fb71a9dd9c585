"""Prometheus endpoint of a worker or beat, at ``SECKILL_METRICS_PORT`` if that is set.

A worker's children write their metrics to files in a directory that `celery_task.celery` creates. The main process adds
them up. It first merges the files of dead children into one, so that their counts are kept, and neither disk use nor
scrape time grow with the number of children.
"""

import os
import threading
from collections.abc import Iterable
from pathlib import Path

from celery import signals
from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

MERGED_PID = 0  # pseudo pid in the name of the file that collects the counts of dead children


class MergingCollector:
    """Prometheus collector for a directory of multiprocess metrics files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._merge_lock = threading.Lock()  # each scrape runs in its own thread

    def collect(self) -> Iterable[Metric]:
        """Merge the files of dead children, then return all metrics."""
        with self._merge_lock:
            for file in self.directory.glob("*.db"):
                kind, pid = file.stem.rsplit("_", 1)
                if int(pid) != MERGED_PID and not _is_alive(int(pid)):
                    self._merge(file, self.directory / f"{kind}_{MERGED_PID}.db")
            return list(MultiProcessCollector(None, str(self.directory)).collect())

    @staticmethod
    def _merge(file: Path, into: Path) -> None:
        total = MmapedDict(str(into))
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
            before, _ = total.read_value(key)
            total.write_value(key, before + value, 0)
        total.close()
        file.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the pid now belongs to a process of another user
        return False
    return True


class MetricsServer:
    """HTTP server for the metrics of one worker or beat, in threads of its main process."""

    def __init__(self, port: int, directory: Path) -> None:
        self._port = port
        self._directory = directory
        signals.worker_ready.connect(self.serve)
        signals.beat_init.connect(self.serve)

    def serve(self, **_: object) -> None:
        """Start serving on all interfaces. If the port is taken, Celery logs the error and the process continues."""
        registry = CollectorRegistry()
        registry.register(MergingCollector(self._directory))
        start_http_server(self._port, registry=registry)


METRICS_SERVER = (
    MetricsServer(int(os.environ["SECKILL_METRICS_PORT"]), Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    if os.environ.get("SECKILL_METRICS_PORT")
    else None
)
