"""Commands that need a revision's own code.

`Revision.run_command` runs this text with the revision's Python in the revision's directory.
``parts`` prints how the line's processes are started, as JSON. ``join SALE COUNT PREFIX`` gives COUNT buyers places
without going through the web processes. Import only what exists in every revision that is measured.
"""

import json
import os
import sys

BATCH = 1_000  #: buyers per admit command


def parts() -> None:
    """Print the processes and their additional environment variables."""
    from loadtest.systems import LINE  # noqa: PLC0415 (needs no settings, unlike what follows)

    print(json.dumps({"parts": dict(LINE.parts), "environment": dict(LINE.environment)}))


def join(sale: int, count: int, prefix: str) -> None:
    """Admit buyers ``PREFIX1`` to ``PREFIXcount``."""
    import django  # noqa: PLC0415 (as above)

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seckill.settings")
    django.setup()
    from seckill.line.line import get_line  # noqa: PLC0415 (as above)

    try:
        from seckill.line.commands import admit  # noqa: PLC0415 (as above)
    except ImportError:
        from seckill.line.verbs import admit  # type: ignore[import-not-found,no-redef]  # noqa: PLC0415 (its former name)

    line = get_line()
    for start in range(1, count + 1, BATCH):
        numbers = range(start, min(start + BATCH, count + 1))
        admission = line.run(admit(sale, [f"{prefix}{number}" for number in numbers]))
        if min(admission.places) < 1:
            raise SystemExit(f"The sale does not admit everybody: {min(admission.places)!r}.")


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "parts":
        parts()
    else:
        join(int(arguments[0]), int(arguments[1]), arguments[2])
