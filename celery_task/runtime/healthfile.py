"""The Celery application with a sign of life: a file whose age a health check reads.

``celery -A celery_task.runtime.healthfile worker`` touches LIVENESS_FILE with each heartbeat that it sends to the
broker (every 2 s). ``celery -A celery_task.runtime.healthfile beat`` touches it each time it reads the schedules (every
second), whether it leads or stands by. A stale file means that the process hangs, or that the worker has lost the
broker. ``celery inspect ping`` would start Python, Django and a broker connection in every container every few seconds,
would make every worker answer every check, and can't check beat at all.
"""

import os
from pathlib import Path

from celery import signals

from celery_task.celery import app

__all__ = ["app"]

LIVENESS_FILE = Path(os.environ["LIVENESS_FILE"])


def touch_file(**_: object) -> None:
    """Make the file new."""
    LIVENESS_FILE.touch()


def watch_ticks(**_: object) -> None:
    """In beat only: its scheduler reads models, which exist once Django is set up."""
    from celery_task.beat.scheduler import beat_ticked  # noqa: PLC0415 (as above)

    beat_ticked.connect(touch_file, weak=False)


signals.heartbeat_sent.connect(touch_file, weak=False)
signals.beat_init.connect(watch_ticks, weak=False)
