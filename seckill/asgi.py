"""ASGI application of the web process: the gate in front of Django, with a request limit and a response cache.

Run with ``gunicorn -c deploy/gunicorn.conf.py seckill.asgi``.
"""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seckill.settings")

django_application = get_asgi_application()

# The gate imports models, which need a configured Django.
from seckill.gate.application import Application  # noqa: E402
from seckill.gate.django_limit import DjangoLimit  # noqa: E402

application = Application(DjangoLimit(django_application))
