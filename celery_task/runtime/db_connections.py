"""Database connections of workers: kept from task to task, and given back to the pool between them.

Left to itself Celery closes the whole pool before and after every task of a prefork worker, and each task connects
anew: several milliseconds of worker and PostgreSQL for a task that may need less than one. What Celery closes for, a
connection that broke or came from before a fork, is seen to all the same: children begin without any, and the pool
tests a connection before it hands it out (``CONN_HEALTH_CHECKS``).
"""

from celery import Celery, signals
from django.db import close_old_connections

TASKS_PER_CONNECTION = 10_000  # then Celery closes everything once, as it would after every task


def reuse_db_connections(app: Celery) -> None:
    """Have the workers of this application keep their connections."""
    app.conf["CELERY_DB_REUSE_MAX"] = TASKS_PER_CONNECTION
    signals.task_postrun.connect(return_to_pool, weak=False)


def return_to_pool(**_: object) -> None:
    """After a task: the pool gets its connection, a worker without a pool keeps what ``CONN_MAX_AGE`` allows."""
    close_old_connections()
