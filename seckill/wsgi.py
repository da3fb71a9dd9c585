"""WSGI application: Django without the gate, for the synchronous purchase with WSGI workers and for ``manage.py``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seckill.settings")

application = get_wsgi_application()
