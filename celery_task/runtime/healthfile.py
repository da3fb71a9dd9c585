"""The Celery application with a health file, whose age a health check reads.

``celery -A celery_task.runtime.healthfile worker`` touches SECKILL_LIVENESS_FILE with each heartbeat that it sends to
the broker (every 2 s). ``celery -A celery_task.runtime.healthfile beat`` touches it at each tick (every second), as
leader and as standby. A stale file means that the process hangs, or that the worker has lost the broker.

``celery inspect ping`` is no alternative: it would start Python, Django and a broker connection in every container
every few seconds, make every worker answer every check, and can't check beat at all.
"""

import os
from pathlib import Path

from celery import signals

from celery_task.celery import app

__all__ = ["app"]

LIVENESS_FILE = Path(os.environ["SECKILL_LIVENESS_FILE"])


def touch_file(**_: object) -> None:
    """Set the file's modification time to now; create a missing file."""
    LIVENESS_FILE.touch()


def watch_ticks(**_: object) -> None:
    """Touch the file at each tick of beat. The scheduler imports models, so Django must be set up first."""
    from celery_task.beat.scheduler import beat_ticked  # noqa: PLC0415 (as above)

    beat_ticked.connect(touch_file, weak=False)


signals.heartbeat_sent.connect(touch_file, weak=False)
signals.beat_init.connect(watch_ticks, weak=False)
