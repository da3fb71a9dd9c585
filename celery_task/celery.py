"""The Celery application: ``celery -A celery_task worker`` and ``celery -A celery_task beat``."""

import atexit
import os
import shutil
import tempfile
from typing import Any

import prometheus_client.values
from celery import Celery
from celery.signals import celeryd_after_setup, setup_logging, worker_init

from celery_task.runtime.db_connections import reuse_db_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seckill.settings")

if os.environ.get("SECKILL_METRICS_PORT"):
    # Set before the first metric is created (`celery_task.runtime.metrics_server`). Always a new directory: metrics of
    # the web or of another worker would be added twice. prometheus_client chooses its value class on import, and
    # Flower's command has imported it already, so the class is chosen again.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="seckill-metrics-")
    atexit.register(shutil.rmtree, os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
    prometheus_client.values.ValueClass = prometheus_client.values.get_value_class()

SHUTDOWN_WAIT_SECONDS_MAX = 2
NICENESS = 10

app = Celery("seckill", task_cls="celery_task.runtime.task:ShopTask", events="celery_task.runtime.events:WorkerEvents")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.add_defaults
def computed_settings() -> dict[str, Any]:
    """Return the settings that need code; Celery asks for them when it first needs any setting."""
    from celery_task.config import CONFIG  # noqa: PLC0415 (reads the Django settings)

    return CONFIG


reuse_db_connections(app)


@setup_logging.connect
def configure_logging(**_: object) -> None:
    """Configure logging as Django does. Celery sets up no logging once this signal has a receiver."""
    import logging.config  # noqa: PLC0415 (settings may be read only after the environment is set above)

    from django.conf import settings  # noqa: PLC0415 (as above)

    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
def limit_shutdown_wait(**_: object) -> None:
    """Wait at most 2 s at shutdown for the main process to consume a child's last result.

    billiard waits 30 s, although the main process may have stopped reading, and no orders are settled meanwhile. An
    unconsumed result means an unacknowledged message: the broker delivers the task again, and tasks are idempotent.
    """
    from billiard import pool  # noqa: PLC0415 (only workers need it)

    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = int(
        SHUTDOWN_WAIT_SECONDS_MAX / pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL
    )


@celeryd_after_setup.connect
def lower_priority_unless_settling(instance: Any, **_: object) -> None:  # noqa: ANN401 (Celery types none of it)
    """Lower the CPU priority of workers that don't serve the queue ``orders``, below settling and the web."""
    if "orders" not in instance.app.amqp.queues.consume_from:
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
