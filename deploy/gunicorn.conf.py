"""gunicorn: the gate and Django in a few processes, each with one event loop."""

import os

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", str(min(4, os.cpu_count() or 2))))
worker_class = "asgi"
asgi_loop = "uvloop"
worker_connections = 10_000
backlog = 4096  # a crowd arrives in one second
keepalive = 30  # seconds: a browser that polls every two keeps its connection
timeout = 30
graceful_timeout = 20
accesslog = None  # a line a request would cost more than the request
errorlog = "-"
control_socket_disable = True  # nobody talks to it, and it would be a file in the home directory
control_socket_disable = True  # it would be a file in the home directory, shared by every gunicorn of this user
