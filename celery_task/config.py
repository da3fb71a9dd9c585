"""Celery's settings, each with its reason. Queues: `celery_task.queues`; schedules: `celery_task.beat.schedule`."""

from typing import Any

from django.conf import settings

from celery_task.beat.schedule import SCHEDULE
from celery_task.queues import DEFAULT, FIRST, ON_REDIS, PRIORITY_MAX, QUEUES, ROUTES

broker_url = settings.CELERY_BROKER_URL
broker_connection_retry_on_startup = True
broker_connection_max_retries = (
    None  # a broker that is away for an hour comes back; nobody should have to restart workers
)
broker_channel_error_retry = True  # the same when it answers with an error: a Redis out of memory ended the worker
broker_connection_timeout = 2  # seconds; the same for each step of publishing: nobody waits for a broker any longer
VISIBILITY_SECONDS = 30
broker_transport_options: dict[str, Any] = (
    {
        # A message whose worker died comes back after this long. Doorbells are healed sooner, by the sweeper. Whatever
        # a worker holds for longer is delivered twice: see `celery_task.runtime.delay`.
        "visibility_timeout": VISIBILITY_SECONDS,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "socket_timeout": broker_connection_timeout,
        "socket_connect_timeout": broker_connection_timeout,
        "queue_order_strategy": "priority",
        "priority_steps": [FIRST, PRIORITY_MAX],  # a list each: more steps would be more lists to wait at
    }
    if ON_REDIS
    # A broker with a memory or disk alarm stops reading: not even closing the connection is ever answered then.
    else {"confirm_publish": True, "read_timeout": 5, "write_timeout": 5}
)
# Seconds. RabbitMQ gives what a lost host held to others when it has heard nothing for two of them: half a minute at
# most. Without, it would be when TCP gives up. Redis has `VISIBILITY_SECONDS`.
broker_heartbeat = 10
# Only what somebody asks for has a result: a buyer polls the ticket, the ledger keeps what happened.
result_backend = settings.CELERY_RESULT_BACKEND
result_expires = 86_400
result_extended = True  # with the task's name, so that whoever reads one sees what it is of
redis_socket_connect_timeout = broker_connection_timeout
redis_socket_timeout = broker_connection_timeout
redis_retry_on_timeout = True
task_ignore_result = True
task_track_started = True

task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]  # never pickle: a message must not be able to run code
enable_utc = True
timezone = settings.TIME_ZONE  # of crontabs that name none

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
task_create_missing_queues = False  # a misspelt queue is an error, not a queue that nobody serves
task_routes = ROUTES

# A task is done when it has ended, not when it was fetched; a killed child's task is delivered again.
task_acks_late = True
task_reject_on_worker_lost = True
worker_prefetch_multiplier = 1
task_time_limit = 60  # seconds; a settlement takes milliseconds
task_soft_time_limit = 50

worker_hijack_root_logger = False
worker_send_task_events = True  # Flower shows them
task_send_sent_event = True

beat_scheduler = "celery_task.beat.scheduler:Scheduler"
beat_schedule = SCHEDULE
