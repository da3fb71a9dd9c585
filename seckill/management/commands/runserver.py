"""``manage.py runserver``: serve the whole shop, with the gate, while developing it."""

from typing import Any

import uvicorn
from django.core.management.commands import runserver
from django.utils import autoreload


class Command(runserver.Command):
    """Django's command with uvicorn and the gate in the place of its WSGI server, which can't sell.

    Address, checks and the restart when a file changes are Django's. Static files are served by WhiteNoise, which finds
    them by itself under ``DEBUG``. Orders are written by a worker, and sales loaded by beat: run those beside it.
    """

    addr: str  # these three are set by Django's handle()
    port: str
    _raw_ipv6: bool
    help = "Serve the shop with the gate, and restart when its code changes. For development only."

    def inner_run(self, *args: Any, **options: Any) -> None:  # noqa: ANN401, ARG002 (Django's signature)
        """Check the project and serve it, in a thread of the process that watches the files."""
        autoreload.raise_last_exception()
        if not options["skip_checks"]:
            self.stdout.write("Performing system checks …")
            self.check(display_num_errors=True)
        self.check_migrations()
        config = uvicorn.Config(
            "seckill.asgi:application",
            host=self.addr,
            port=int(self.port),
            http="seckill.gate.protocol:Connection",
            ws="none",
            lifespan="on",
            proxy_headers=False,
            server_header=False,
            log_config=None,
        )
        address = f"[{self.addr}]" if self._raw_ipv6 else self.addr
        self.stdout.write(f"The shop with its gate: http://{address}:{self.port}/ (quit with Ctrl-C)")
        uvicorn.Server(config).run()
