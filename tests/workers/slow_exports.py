"""Loaded into a worker by ``--include``: exports in chunks of three orders, slow enough for tests to interfere.

``PART_SECONDS`` is the duration of a chunk. ``PART_FAULTS`` is how often a chunk raises a transient error before it is
written. ``PARTS_LET_GO`` is a directory: chunk 4 waits until it contains a file ``4`` or ``all``. While chunk 4 waits,
there is a file ``4 waits``.
"""

import os
import time
from pathlib import Path

from django.db import OperationalError

from celery_task import export_task as report_task
from devtools.waiting import wait_until
from orders import export as module
from orders.models import Export

HELD_SECONDS_MAX = 600

write_next_chunk = module.write_next_chunk
faults = int(os.environ.get("PART_FAULTS", "0"))
let_go = Path(os.environ["PARTS_LET_GO"]) if "PARTS_LET_GO" in os.environ else None


def write_slowly(export: Export) -> bool:
    """Write one chunk."""
    global faults  # noqa: PLW0603 (it counts down)
    if faults:
        faults -= 1
        raise OperationalError("the server is away")
    time.sleep(float(os.environ.get("PART_SECONDS", "0")))
    if let_go is not None:
        part = str(export.chunks + 1)
        files = (let_go / part, let_go / "all")
        (let_go / f"{part} waits").touch()
        wait_until("the part is let go", lambda: any(file.exists() for file in files), HELD_SECONDS_MAX)
    return write_next_chunk(export)


module.CHUNK_ROWS = 3
report_task.write_next_chunk = write_slowly
# A chunk that waits for the test has no time limit.
report_task.export_orders.soft_time_limit = report_task.export_orders.time_limit = None
report_task.export_orders._exec_options = None
