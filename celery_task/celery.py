"""The Celery application: ``celery -A celery_task worker`` and ``celery -A celery_task beat``."""

import os

from celery import Celery
from celery.signals import setup_logging

from celery_task.connections import keep_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seckill.settings")

app = Celery("seckill", task_cls="celery_task.task:ShopTask")
app.config_from_object("celery_task.config")
keep_connections(app)


@setup_logging.connect
def configure_logging(**_: object) -> None:
    """Log as Django does: Celery sets up no logging of its own once this signal has a receiver."""
    import logging.config  # noqa: PLC0415 (settings may be read only after the environment above is set)

    from django.conf import settings  # noqa: PLC0415 (as above)

    logging.config.dictConfig(settings.LOGGING)
