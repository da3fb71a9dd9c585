"""Celery settings. Queues are in `celery_task.queues`, schedules in `celery_task.beat.schedule`."""

from typing import Any

from django.conf import settings

from celery_task.beat.schedule import SCHEDULE
from celery_task.queues import DEFAULT, ON_REDIS, PRIORITY_HIGH, PRIORITY_MAX, QUEUES, ROUTES

broker_url = settings.CELERY_BROKER_URL
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # retry forever: after a long broker outage no worker needs a restart
broker_channel_error_retry = True  # also after an error reply: a Redis out of memory terminated the worker
broker_connection_timeout = 2  # seconds, also for each step of publishing
VISIBILITY_SECONDS = 30
broker_transport_options: dict[str, Any] = (
    {
        # Seconds until the message of a dead worker is delivered again. The sweeper resends doorbells sooner. A message
        # that a worker holds for longer is delivered twice, so no task is sent with an ETA: work for later is a row
        # with a due time, and a periodic task sends it when it is due.
        "visibility_timeout": VISIBILITY_SECONDS,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "socket_timeout": broker_connection_timeout,
        "socket_connect_timeout": broker_connection_timeout,
        "queue_order_strategy": "priority",
        "priority_steps": [PRIORITY_HIGH, PRIORITY_MAX],  # one Redis list per step: fewer lists to poll
    }
    if ON_REDIS
    # With a memory or disk alarm, RabbitMQ stops reading: even closing the connection would block forever.
    else {"confirm_publish": True, "read_timeout": 5, "write_timeout": 5}
)
# Seconds. RabbitMQ requeues the messages of a lost host after two missed heartbeats: half a minute at most. Without
# heartbeats it waits for the TCP timeout. Redis uses `VISIBILITY_SECONDS`.
broker_heartbeat = 10
# Tasks store no result unless they ask for it: buyers poll their ticket, and the ledger holds the outcome.
result_backend = settings.CELERY_RESULT_BACKEND
result_expires = 86_400
result_extended = True  # store the task's name and arguments with the result
redis_socket_connect_timeout = broker_connection_timeout
redis_socket_timeout = broker_connection_timeout
redis_retry_on_timeout = True
task_ignore_result = True
task_track_started = True

task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]  # never pickle: a message must not be able to run code
enable_utc = True
timezone = settings.TIME_ZONE  # for crontabs without a time zone

imports = [
    "celery_task.runtime.metrics_server",
    "celery_task.order_task",
    "celery_task.home_task",
    "celery_task.notification_task",
    "celery_task.host_task",
    "celery_task.user_task",
    "celery_task.monitoring_task",
    "celery_task.export_task",
]
task_queues = QUEUES
task_default_queue = DEFAULT.name
task_create_missing_queues = False  # a misspelt queue is an error, not a new queue without a worker
task_routes = ROUTES

# Acknowledge a task when it has ended, not when it is fetched; the task of a killed child is delivered again.
task_acks_late = True
task_reject_on_worker_lost = True
worker_prefetch_multiplier = 1
task_time_limit = 60  # seconds; a settlement takes milliseconds
task_soft_time_limit = 50

worker_hijack_root_logger = False
worker_send_task_events = True  # for Flower
task_send_sent_event = True

beat_scheduler = "celery_task.beat.scheduler:Scheduler"
beat_schedule = SCHEDULE
