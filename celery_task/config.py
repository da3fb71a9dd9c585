"""Celery's settings, each with its reason."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from kombu.entity import Exchange, Queue

broker_url = settings.CELERY_BROKER_URL
broker_connection_retry_on_startup = True
broker_connection_max_retries = (
    None  # a broker that is away for an hour comes back; nobody should have to restart workers
)
broker_channel_error_retry = True  # the same when it answers with an error: a Redis out of memory ended the worker
broker_connection_timeout = 2  # seconds; the same for each step of publishing: nobody waits for a broker any longer
ON_REDIS = broker_url.startswith(("redis://", "rediss://", "unix://"))
broker_transport_options: dict[str, Any] = (
    {
        # A message whose worker died comes back after this long. Doorbells are healed sooner, by the sweeper.
        "visibility_timeout": 30,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "socket_timeout": broker_connection_timeout,
        "socket_connect_timeout": broker_connection_timeout,
    }
    if ON_REDIS
    # A broker with a memory or disk alarm stops reading: not even closing the connection is ever answered then.
    else {"confirm_publish": True, "read_timeout": 5, "write_timeout": 5}
)
result_backend = None  # nobody reads results: a buyer polls the ticket, the ledger keeps what happened
task_ignore_result = True

task_serializer = "json"
accept_content = ["json"]  # never pickle: a message must not be able to run code
enable_utc = True
timezone = "UTC"

imports = ["celery_task.order_task", "celery_task.home_task", "celery_task.user_task"]
# On RabbitMQ a queue is a quorum queue, which outlives a killed broker; Celery delays retries there by topic exchanges.
task_queues = [
    Queue(name, Exchange(name), routing_key=name)
    if ON_REDIS
    else Queue(name, Exchange(name, type="topic"), routing_key=name, queue_arguments={"x-queue-type": "quorum"})
    for name in ("orders", "home")
]
task_default_queue = "home"
task_routes = {"celery_task.order_task.*": {"queue": "orders"}}

# A task is done when it has ended, not when it was fetched; a killed child's task is delivered again.
task_acks_late = True
task_reject_on_worker_lost = True
worker_prefetch_multiplier = 1
task_time_limit = 60  # seconds; a settlement takes milliseconds
task_soft_time_limit = 50

worker_hijack_root_logger = False
worker_send_task_events = True  # Flower shows them

# A tick not heard by then is dropped: a worker that comes back after hours should not make up for each of them. It
# decides by its own clock, so the time has to be longer than clocks are apart, or it would drop every tick.
TICK_EXPIRES_SECONDS = 120

beat_schedule_filename = str(settings.VAR_DIR / "celerybeat-schedule")
beat_schedule = {
    "ring-doorbells": {
        "task": "celery_task.order_task.ring_doorbells",
        "schedule": timedelta(seconds=1),
        "options": {"expires": TICK_EXPIRES_SECONDS},
    },
    "expire-unpaid-orders": {
        "task": "celery_task.order_task.expire_unpaid_orders",
        "schedule": timedelta(seconds=2),
        "options": {"expires": TICK_EXPIRES_SECONDS},
    },
    "reconcile-sales": {
        "task": "celery_task.order_task.reconcile_sales",
        "schedule": timedelta(seconds=30),
        "options": {"expires": TICK_EXPIRES_SECONDS},
    },
    "update-banner-list": {
        "task": "celery_task.home_task.update_banner_list",
        "schedule": timedelta(seconds=5),
        "options": {"expires": TICK_EXPIRES_SECONDS},
    },
    "clear-sessions": {
        "task": "celery_task.user_task.clear_expired_sessions",
        "schedule": timedelta(hours=1),
        "options": {"expires": 3600},
    },
}
