"""Django alone, without the gate: for the synchronous purchase under classic workers, and for management."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seckill.settings")

application = get_wsgi_application()
