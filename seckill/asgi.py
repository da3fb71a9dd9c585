"""The whole web process: the gate's connections in front, Django behind, bounded, its public answers shared.

``gunicorn -c deploy/gunicorn.conf.py seckill.asgi``.
"""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seckill.settings")

django_application = get_asgi_application()

# The gate reads models, which exist once Django is set up.
from seckill.gate.application import Application  # noqa: E402
from seckill.gate.django_limit import DjangoLimit  # noqa: E402

application = Application(DjangoLimit(django_application))
