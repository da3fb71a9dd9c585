"""Celery settings that need code: queues, routes, schedules, and what the broker's kind decides.

All others are in the Django settings, as ``CELERY_…``; a name there also wins over the same one here.
"""

from typing import Any

from django.conf import settings

from celery_task.beat.schedule import SCHEDULE
from celery_task.queues import DEFAULT, ON_REDIS, PRIORITY_HIGH, PRIORITY_MAX, QUEUES, ROUTES
from seckill import conf

ON_REDIS_OPTIONS: dict[str, Any] = {
    # A message that a worker holds for longer is delivered twice, so no task is sent with an ETA: work for later is a
    # row with a due time, and a periodic task sends it when it is due. The sweeper resends doorbells sooner.
    "visibility_timeout": conf.VISIBILITY_SECONDS,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "socket_timeout": settings.CELERY_BROKER_CONNECTION_TIMEOUT,
    "socket_connect_timeout": settings.CELERY_BROKER_CONNECTION_TIMEOUT,
    "queue_order_strategy": "priority",
    "priority_steps": [PRIORITY_HIGH, PRIORITY_MAX],  # one Redis list per step: fewer lists to poll
}
# With a memory or disk alarm, RabbitMQ stops reading: even closing the connection would block forever.
ON_RABBITMQ_OPTIONS: dict[str, Any] = {"confirm_publish": True, "read_timeout": 5, "write_timeout": 5}

CONFIG: dict[str, Any] = {
    "broker_transport_options": ON_REDIS_OPTIONS if ON_REDIS else ON_RABBITMQ_OPTIONS,
    "task_queues": QUEUES,
    "task_default_queue": DEFAULT.name,
    "task_routes": ROUTES,
    "beat_schedule": SCHEDULE,
}
