"""Queues: which there are, what belongs in which, and how a message gets there. Nothing else names one.

A queue is for work of one kind, so that a worker can be made for it and nothing waits behind what is slower:

============= ============================================================ ==========================
queue         work                                                         worker
============= ============================================================ ==========================
orders        settling, expiring, sweeping: what buyers wait for           ``prefork``, few, never busy with anything else
default       short maintenance: the banner list, sessions, checks         any
notifications calls to other systems: mostly waiting (I/O-bound)           ``threads`` or ``gevent``, many
exports       files of orders: mostly computing (CPU-bound)                ``prefork``, one a core, recycled
host          what one host has to do itself, one queue a host             ``solo`` or ``threads``, on that host
broadcast     what every host has to do: each gets every message           the same as ``host``
============= ============================================================ ==========================

On RabbitMQ messages go through one topic exchange by routing key, which Celery's delayed delivery needs, and queues are
quorum queues, which outlive a killed broker. On Redis they are pushed to the queue's list directly: a topic exchange
would ask Redis for its bindings at each message, and lose them when Redis forgets.
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
EVENTS = Exchange("shop.events", type="fanout")  # order events, for programs that are none of ours
PRIORITY_MAX = 9
# Redis serves the lowest number first, RabbitMQ the highest.
FIRST, LAST = (0, PRIORITY_MAX) if ON_REDIS else (PRIORITY_MAX, 0)

HOST_QUEUE_EXPIRES_SECONDS = 86_400  # RabbitMQ forgets the queue of a host that is gone; it writes what is in it anew


def _queue(name: str, arguments: dict[str, Any], *, alias: str | None = None) -> Queue:
    return Queue(name, SHOP, routing_key=name, alias=alias, queue_arguments=None if ON_REDIS else arguments)


def host_queue(host: str) -> Queue:
    """The queue that only this host's worker hears; ``--queues host`` is the queue of the host it runs on."""
    arguments = QUORUM | {"x-expires": HOST_QUEUE_EXPIRES_SECONDS * 1000}
    return _queue(f"host.{host}", arguments, alias="host" if host == settings.HOST else None)


ORDERS = _queue("orders", QUORUM)
DEFAULT = _queue("default", QUORUM)
# Quorum queues know no priorities. What is lost here with a broker is told again: it comes from the ledger.
NOTIFICATIONS = _queue("notifications", {"x-max-priority": PRIORITY_MAX})
EXPORTS = _queue("exports", QUORUM)
# Without a routing key of its own it would get the default one, and delayed messages for that would reach every host.
BROADCAST = Broadcast("broadcast", exchange=Exchange("shop.broadcast", type="fanout"), routing_key="broadcast")

WORK_QUEUES = (ORDERS, DEFAULT, NOTIFICATIONS, EXPORTS)
QUEUES = (*WORK_QUEUES, host_queue(settings.HOST), BROADCAST)
ROUTES = {
    "celery_task.order_task.*": {"queue": ORDERS.name},
    "celery_task.home_task.*": {"queue": DEFAULT.name},
    "celery_task.host_task.*": {"queue": DEFAULT.name},  # those for hosts are sent to their queues explicitly
    "celery_task.user_task.*": {"queue": DEFAULT.name},
    "celery_task.monitoring_task.mail_alert": {"queue": NOTIFICATIONS.name},
    "celery_task.monitoring_task.*": {"queue": DEFAULT.name},
    "celery_task.notification_task.*": {"queue": NOTIFICATIONS.name},
    "celery_task.export_task.*": {"queue": EXPORTS.name},
}


@signals.celeryd_after_setup.connect
def declare(instance: Any, **_: object) -> None:  # noqa: ANN401 (a worker)
    """Before a worker starts, make the queues of others, too: delayed messages for one that is not there are lost.

    A host's own queues are made by those who listen there: Celery would have each worker delay for them as well.
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
