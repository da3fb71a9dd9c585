"""The whole web process: the gate in front, Django behind. ``gunicorn -c deploy/gunicorn.conf.py seckill.asgi``."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seckill.settings")

django_application = get_asgi_application()

from seckill.gate.routes import GateRoutes  # noqa: E402 (the gate reads models, which exist once Django is set up)

application = GateRoutes(django_application)
