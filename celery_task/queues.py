"""All queues, and the routing of tasks to them.

Each queue holds one kind of work, so that its worker can be sized for that work and fast tasks never wait behind slow
ones:

============= =================================================== =========================================
queue         work                                                worker
============= =================================================== =========================================
orders        settling, expiring, sweeping: buyers wait for these ``prefork``, few processes, no other queue
default       short maintenance: banner list, sessions, checks    any
notifications calls to other systems (I/O-bound)                  ``threads`` or ``gevent``, many
exports       files of orders (CPU-bound)                         ``prefork``, one per core, recycled
host          work of one host; one queue per host                ``solo`` or ``threads``, on that host
broadcast     work of every host: each gets every message         the same as ``host``
============= =================================================== =========================================

On RabbitMQ, messages are routed by one topic exchange, which Celery's delayed delivery requires. All work queues but
`notifications` are quorum queues, which survive a broker crash. On Redis, a direct exchange pushes to the queue's list:
a topic exchange would read its bindings from Redis for each message, and would lose them with Redis' data.
"""

from typing import Any

import structlog
from celery import signals
from django.conf import settings
from kombu.common import Broadcast
from kombu.entity import Exchange, Queue

log = structlog.get_logger(__name__)

ON_REDIS = settings.CELERY_BROKER_URL.startswith(("redis://", "rediss://", "unix://"))

QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
SHOP = Exchange("shop", type="direct" if ON_REDIS else "topic")
EVENTS = Exchange("shop.events", type="fanout")  # order events, for external programs
PRIORITY_MAX = 9
# Redis serves the lowest number first, RabbitMQ the highest.
PRIORITY_HIGH, PRIORITY_LOW = (0, PRIORITY_MAX) if ON_REDIS else (PRIORITY_MAX, 0)

HOST_QUEUE_EXPIRES_SECONDS = 86_400  # RabbitMQ deletes an unused host queue after a day; what it held is sent again


def _queue(name: str, arguments: dict[str, Any], *, alias: str | None = None) -> Queue:
    return Queue(name, SHOP, routing_key=name, alias=alias, queue_arguments=None if ON_REDIS else arguments)


def host_queue(host: str) -> Queue:
    """Return the queue that only this host's worker consumes. The alias ``host`` is the local host's queue."""
    arguments = QUORUM | {"x-expires": HOST_QUEUE_EXPIRES_SECONDS * 1000}
    return _queue(f"host.{host}", arguments, alias="host" if host == settings.HOST else None)


ORDERS = _queue("orders", QUORUM)
DEFAULT = _queue("default", QUORUM)
# A classic queue, because quorum queues have no priorities. Events lost with a broker are sent again from the outbox.
NOTIFICATIONS = _queue("notifications", {"x-max-priority": PRIORITY_MAX})
EXPORTS = _queue("exports", QUORUM)
# Without its own routing key it would get the default one, and delayed messages with that key would reach every host.
BROADCAST = Broadcast("broadcast", exchange=Exchange("shop.broadcast", type="fanout"), routing_key="broadcast")

WORK_QUEUES = (ORDERS, DEFAULT, NOTIFICATIONS, EXPORTS)
QUEUES = (*WORK_QUEUES, host_queue(settings.HOST), BROADCAST)
ROUTES = {
    "celery_task.order_task.*": {"queue": ORDERS.name},
    "celery_task.home_task.*": {"queue": DEFAULT.name},
    "celery_task.host_task.*": {"queue": DEFAULT.name},  # tasks for hosts name their queue when sent
    "celery_task.user_task.*": {"queue": DEFAULT.name},
    "celery_task.monitoring_task.mail_alert": {"queue": NOTIFICATIONS.name},
    "celery_task.monitoring_task.*": {"queue": DEFAULT.name},
    "celery_task.notification_task.*": {"queue": NOTIFICATIONS.name},
    "celery_task.export_task.*": {"queue": EXPORTS.name},
}


@signals.celeryd_after_setup.connect
def declare(instance: Any, **_: object) -> None:  # noqa: ANN401 (a worker)
    """Declare all work queues before a worker starts: delayed messages to an undeclared queue are lost.

    The host and broadcast queues are declared only by the workers that consume them: Celery would also bind them for
    delayed delivery in every other worker.
    """
    queues = instance.app.amqp.queues
    heard = {queue.name for queue in queues.consume_from.values()}
    for name in [queue.name for queue in queues.values() if queue not in WORK_QUEUES and queue.name not in heard]:
        del queues[name]
    if ON_REDIS:
        return
    with instance.app.connection_for_write() as connection:
        connection.ensure_connection(errback=_wait_for_broker)
        for queue in WORK_QUEUES:
            queue(connection.default_channel).declare()


def _wait_for_broker(error: Exception, seconds: float) -> None:
    log.warning("broker_unavailable", error=str(error), next_try_seconds=seconds)
