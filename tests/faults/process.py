"""``python -m tests.faults.process MODULE ARGUMENTS``: run a process of the shop with fault injection.

The product has no code for this: fail points are wrapped around its functions once Django is set up.
``CLOCK_OFF_SECONDS`` shifts the process's clock.
"""

import os
import runpy
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django
import time_machine

from tests.faults.fail_points import install


def main() -> None:
    """Run the module named on the command line as ``python -m`` would."""
    off = float(os.environ.get("CLOCK_OFF_SECONDS", "0"))
    if off:
        traveller = time_machine.travel(datetime.now(UTC), tick=True).start()
        # Shifted afterwards: starting takes up to a second on a busy machine, and would make the clock late.
        traveller.shift(off - (time.time() - time_machine.escape_hatch.time.time()))
    set_up = django.setup

    def set_up_with_fail_points(*arguments: Any, **more: Any) -> None:
        django.setup = set_up
        set_up(*arguments, **more)
        install(Path(os.environ["FAIL_POINTS"]))

    django.setup = set_up_with_fail_points
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
