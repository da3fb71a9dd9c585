"""Reuse of database connections between tasks.

By default Celery closes the whole pool before and after every task of a prefork worker. Each task then reconnects,
which costs several milliseconds of worker and PostgreSQL time, for a task that may take less than one. This default
guards against broken connections and connections inherited from before a fork. Here children start without connections,
and the pool checks a connection before handing it out (``CONN_HEALTH_CHECKS``).
"""

from celery import Celery, signals
from django.db import close_old_connections

TASKS_PER_CONNECTION = 10_000  # then Celery closes the pool once


def reuse_db_connections(app: Celery) -> None:
    """Make the workers of this application reuse their database connections."""
    app.conf["CELERY_DB_REUSE_MAX"] = TASKS_PER_CONNECTION
    signals.task_postrun.connect(return_to_pool, weak=False)


def return_to_pool(**_: object) -> None:
    """Return the task's connection to the pool; without a pool, keep it for ``CONN_MAX_AGE``."""
    close_old_connections()
