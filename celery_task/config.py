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
broker_transport_options: dict[str, Any] = (
    {
        # A message whose worker died comes back after this long. Doorbells are healed sooner, by the sweeper.
        "visibility_timeout": 30,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        # Publishing answers within two seconds, one way or the other: a gate waits for nothing longer.
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
    }
    if broker_url.startswith(("redis://", "rediss://", "unix://"))
    else {"confirm_publish": True}
)
result_backend = None  # nobody reads results: a buyer polls the ticket, the ledger keeps what happened
task_ignore_result = True

task_serializer = "json"
accept_content = ["json"]  # never pickle: a message must not be able to run code
enable_utc = True
timezone = "UTC"

imports = ["celery_task.order_task", "celery_task.home_task", "celery_task.user_task"]
task_queues = [Queue(name, Exchange(name), routing_key=name) for name in ("orders", "home")]
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

beat_schedule_filename = str(settings.VAR_DIR / "celerybeat-schedule")
beat_schedule = {
    "ring-doorbells": {
        "task": "celery_task.order_task.ring_doorbells",
        "schedule": timedelta(seconds=1),
        "options": {"expires": 5},  # a late one is worthless: the next has been sent
    },
    "expire-unpaid-orders": {
        "task": "celery_task.order_task.expire_unpaid_orders",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 10},
    },
    "reconcile-sales": {
        "task": "celery_task.order_task.reconcile_sales",
        "schedule": timedelta(seconds=30),
        "options": {"expires": 30},
    },
    "update-banner-list": {
        "task": "celery_task.home_task.update_banner_list",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "clear-sessions": {
        "task": "celery_task.user_task.clear_expired_sessions",
        "schedule": timedelta(hours=1),
        "options": {"expires": 3600},
    },
}
