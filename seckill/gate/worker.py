"""Worker: the gunicorn worker class of a web process, see ``worker_class`` in deploy/gunicorn.conf.py."""

from typing import Any

from uvicorn_worker import UvicornWorker


class GateWorker(UvicornWorker):
    """uvicorn's worker, with `Connection` as its HTTP protocol."""

    CONFIG_KWARGS: dict[str, Any] = {
        "loop": "uvloop",
        "http": "seckill.gate.protocol:Connection",  # by name: gunicorn imports this module before Django is set up
        "ws": "none",
        "lifespan": "on",
        "access_log": False,  # logging a request would cost more than serving it
        "proxy_headers": False,  # Django finds the client's address, by NUM_PROXIES
        "server_header": False,
        "timeout_graceful_shutdown": 18,  # before gunicorn's graceful_timeout, so that Django's requests finish
    }
