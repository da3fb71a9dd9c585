"""Loaded into a worker by ``--include``: exports in small parts that take their time, so that tests come in between.

``PART_SECONDS`` each; ``PART_FAULTS``: how often a part meets a fault that passes, before it is written.
"""

import os
import time

from django.db import OperationalError

from celery_task import report_task
from orders import export as module
from orders.models import Export

write_next_part = module.write_next_part
faults = int(os.environ.get("PART_FAULTS", "0"))


def write_slowly(export: Export) -> bool:
    """One part."""
    global faults  # noqa: PLW0603 (it counts down)
    if faults:
        faults -= 1
        raise OperationalError("the server is away")
    time.sleep(float(os.environ.get("PART_SECONDS", "0")))
    return write_next_part(export)


module.PART_ROWS = 3
report_task.write_next_part = write_slowly
