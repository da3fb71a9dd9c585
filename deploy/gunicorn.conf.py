"""gunicorn settings: the gate and Django in a few processes, each with one event loop."""

import os
import resource
import shutil
from contextlib import suppress
from pathlib import Path

# Every process writes its metrics to files in this directory, and /metrics adds them up.
_metrics = Path(
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(Path(os.environ.get("SECKILL_VAR_DIR", "var")) / "metrics"))
)

os.environ.pop("SECKILL_METRICS_PORT", None)  # only for workers and beats: it would redirect the metrics

# Each waiting buyer holds a connection, and many systems have a soft limit of 1024 open files: raise it to this number.
OPEN_FILES_MAX = 65_536
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
_wanted = OPEN_FILES_MAX if _hard == resource.RLIM_INFINITY else min(OPEN_FILES_MAX, _hard)
if _soft != resource.RLIM_INFINITY and _soft < _wanted:
    with suppress(OSError, ValueError):  # macOS reports a higher limit than it allows; keep the old one
        resource.setrlimit(resource.RLIMIT_NOFILE, (_wanted, _hard))

bind = os.environ.get("SECKILL_BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", str(min(4, os.cpu_count() or 2))))
worker_class = "seckill.gate.worker.GateWorker"
backlog = 4096  # many buyers connect in the same second
timeout = 30
graceful_timeout = 20
errorlog = "-"
control_socket_disable = True  # its socket would be in the home directory, shared by every gunicorn of this user


def when_ready(server: object) -> None:  # noqa: ARG001 (gunicorn's hook)
    """Delete the metrics of former runs, which would be added to the new ones.

    Not before the address is ours: a start that fails must not delete the metrics of the shop that runs there.
    """
    shutil.rmtree(_metrics, ignore_errors=True)
    _metrics.mkdir(parents=True)


def child_exit(server: object, worker: object) -> None:  # noqa: ARG001 (gunicorn's hook)
    """Remove the dead process from the gauge of open requests."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 (reads the environment on import)

    mark_process_dead(worker.pid)  # type: ignore[attr-defined, no-untyped-call]  # a gunicorn worker
