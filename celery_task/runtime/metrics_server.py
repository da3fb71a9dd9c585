"""Exposition: a worker or a beat serves what it counted to Prometheus at ``METRICS_PORT``, if that is set.

A worker's children count for themselves, in files of a directory that `celery_task.celery` made for this program; the
main process adds them up. The files of children that are gone are folded into one first: what they counted stays
counted, and neither the files nor the work grow with the number of children there were.
"""

import os
import threading
from collections.abc import Iterable
from pathlib import Path

from celery import signals
from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

MERGED_PID = 0  # no process has this id: it stands in the name of the files that the others are folded into


class MergingCollector:
    """What is in a directory of counts, as a collector."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._folding = threading.Lock()  # scrapes come in threads

    def collect(self) -> Iterable[Metric]:
        """Everything counted so far, also by children that are gone."""
        with self._folding:
            for file in self.directory.glob("*.db"):
                kind, pid = file.stem.rsplit("_", 1)
                if int(pid) != MERGED_PID and not _is_alive(int(pid)):
                    self._fold(file, self.directory / f"{kind}_{MERGED_PID}.db")
            return list(MultiProcessCollector(None, str(self.directory)).collect())

    @staticmethod
    def _fold(file: Path, into: Path) -> None:
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
    except PermissionError:  # it is somebody else's, with a number that was a child's
        return False
    return True


class MetricsServer:
    """The server of one worker or beat, in threads of its main process."""

    def __init__(self, port: int, directory: Path) -> None:
        self._port = port
        self._directory = directory
        signals.worker_ready.connect(self.serve)
        signals.beat_init.connect(self.serve)

    def serve(self, **_: object) -> None:
        """Serve from now on, at every address of this host. If the port is taken the log says so, and work goes on."""
        registry = CollectorRegistry()
        registry.register(MergingCollector(self._directory))
        start_http_server(self._port, registry=registry)


METRICS_SERVER = (
    MetricsServer(int(os.environ["METRICS_PORT"]), Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    if os.environ.get("METRICS_PORT")
    else None
)
