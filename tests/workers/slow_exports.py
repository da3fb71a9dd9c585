"""Loaded into a worker by ``--include``: exports in parts of three orders, so that tests come in between.

``PART_SECONDS`` each; ``PART_FAULTS``: how often a part meets a fault that passes, before it is written;
``PARTS_LET_GO``: a directory: part 4 is held until there is a file ``4`` or ``all``. While it is, there is ``4 waits``.
"""

import os
import time
from pathlib import Path

from django.db import OperationalError

from celery_task import export_task as report_task
from devtools.embedded.shop import wait_until
from orders import export as module
from orders.models import Export

HELD_SECONDS_MAX = 600

write_next_chunk = module.write_next_chunk
faults = int(os.environ.get("PART_FAULTS", "0"))
let_go = Path(os.environ["PARTS_LET_GO"]) if "PARTS_LET_GO" in os.environ else None


def write_slowly(export: Export) -> bool:
    """One part."""
    global faults  # noqa: PLW0603 (it counts down)
    if faults:
        faults -= 1
        raise OperationalError("the server is away")
    time.sleep(float(os.environ.get("PART_SECONDS", "0")))
    if let_go is not None:
        part = str(export.parts + 1)
        files = (let_go / part, let_go / "all")
        (let_go / f"{part} waits").touch()
        wait_until("the part is let go", lambda: any(file.exists() for file in files), HELD_SECONDS_MAX)
    return write_next_chunk(export)


module.CHUNK_ROWS = 3
report_task.write_next_chunk = write_slowly
# A part that is held takes as long as the test does.
report_task.export_orders.soft_time_limit = report_task.export_orders.time_limit = None
report_task.export_orders._exec_options = None
