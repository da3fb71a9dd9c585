"""The retry policy of all tasks that are retried, but `celery_task.host_task.report_heartbeat`.

    @shared_task(autoretry_for=TRANSIENT_ERRORS, **RETRY_POLICY)

Only temporary faults are retried; every other error fails the task at once. Retries are bounded. Periodic tasks need
none: their next run does the work. After the last retry, unfinished orders, events, mails and exports are still rows
without a lease, and a periodic task sends them again.
"""

from typing import Any

import redis
from django.db import OperationalError

#: Errors of a server of our own that is unavailable. Tasks that call other systems add the errors of those.
TRANSIENT_ERRORS = (OperationalError, redis.ConnectionError, redis.TimeoutError)

RETRIES_MAX = 5
#: Delays before the retries are random, up to 1, 2, 4, 8 and 8 s: shorter than Redis' visibility timeout
#: (`seckill.conf.VISIBILITY_SECONDS`), because Redis delivers a message that a worker holds for longer again.
RETRY_POLICY: dict[str, Any] = {
    "retry_backoff": 1,
    "retry_backoff_max": 8,
    "retry_jitter": True,
    "max_retries": RETRIES_MAX,
}
