"""Worker: how gunicorn runs a web process. ``worker_class`` in deploy/gunicorn.conf.py."""

from typing import Any

from uvicorn_worker import UvicornWorker


class GateWorker(UvicornWorker):
    """uvicorn's worker, with the gate's connections."""

    CONFIG_KWARGS: dict[str, Any] = {
        "loop": "uvloop",
        "http": "seckill.gate.protocol:Connection",  # by name: gunicorn imports this file before Django is set up
        "ws": "none",
        "lifespan": "on",
        "access_log": False,  # a line a request would cost more than the request
        "proxy_headers": False,  # who is asking is for Django to find out, by NUM_PROXIES
        "server_header": False,
        "timeout_graceful_shutdown": 18,  # before gunicorn's graceful_timeout, so that Django's requests end in order
    }
