"""The baseline's Celery application. It keeps task results because buyers poll them."""

import os

from celery import Celery
from django.conf import settings

app = Celery("baseline", broker=settings.CELERY_BROKER_URL, backend=os.environ["CELERY_RESULT_BACKEND"])
app.conf.update(
    imports=["loadtest.baseline.tasks"],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=4,
    result_expires=3600,  # seconds
)
app.conf["CELERY_DB_REUSE_MAX"] = 10_000  # without it each task opens a new database connection
