"""The Celery application with a sign of life: a file whose age a health check reads.

``celery -A celery_task.liveness worker`` touches LIVENESS_FILE with each heartbeat it sends to the broker (every 2 s),
and ``celery -A celery_task.liveness beat`` with each task it publishes (every second). A stale file means that the
process hangs or has lost the broker. Asking with ``celery inspect ping`` would start Python, Django and a broker
connection in every container every few seconds, make every worker answer every check, and could not see beat at all.
"""

import os
from pathlib import Path

from celery import signals

from celery_task.celery import app

__all__ = ["app"]

LIVENESS_FILE = Path(os.environ["LIVENESS_FILE"])


def show_life(**_: object) -> None:
    """Make the file new."""
    LIVENESS_FILE.touch()


def watch_publishing(**_: object) -> None:
    """In beat only: workers publish too, from children that outlive a main process that hangs."""
    signals.after_task_publish.connect(show_life, weak=False)


signals.heartbeat_sent.connect(show_life, weak=False)
signals.beat_init.connect(watch_publishing, weak=False)
