"""Depth and latency of each queue, on any broker.

Brokers don't report the age of their oldest message. Therefore `celery_task.monitoring_task` sends a timestamped
*probe* into each queue: the age of an unreceived probe is a lower bound of the queue's latency. Each queue has one
probe at a time, so that probes don't pile up in a queue without workers.

The queue of the task that sends the probes (`PROBE_QUEUE`) can't be probed by it: while that queue has no worker, no
probe is sent. Its measure is the time since the task last ran.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis
from amqp.exceptions import AMQPError
from django.core.cache import cache
from kombu import Connection
from kombu.entity import Queue
from kombu.exceptions import ChannelError, OperationalError

from celery_task.beat.schedule import PROBE_INTERVAL_SECONDS
from celery_task.celery import app
from celery_task.queues import DEFAULT, ON_REDIS, WORK_QUEUES

PROBE_QUEUE = DEFAULT.name
#: Exceptions of an unavailable broker, of any transport.
BROKER_ERRORS = (OperationalError, OSError, redis.RedisError, AMQPError)
BROKER_TIMEOUT_SECONDS = 1  # short: the caller must not block on the broker
PROBE_LOST_SECONDS = 600  # then a probe counts as lost, even if the queue is never seen empty


@dataclass(frozen=True, slots=True)
class QueueProbe:
    """The last probe of a queue. Times are seconds since 1970, or 0 if there was none."""

    sent_at: float
    received_at: float  #: ``sent_at`` of the newest received probe

    def age_seconds(self) -> float:
        """Return the age of the unreceived probe, or 0: a lower bound of the queue's latency."""
        return max(0.0, time.time() - self.sent_at) if self.received_at < self.sent_at else 0.0

    def is_due(self, waiting: int) -> bool:
        """Return whether to send a new probe, with ``waiting`` messages in the queue: the last was received or lost."""
        age = self.age_seconds()
        return age == 0 or waiting == 0 or age > PROBE_LOST_SECONDS


def queue_depths() -> dict[str, int]:
    """Return the number of waiting messages by queue, without those that a worker has fetched.

    Raises:
        BROKER_ERRORS: the broker does not answer within a second or two.
    """
    with _broker() as connection:
        return {queue.name: _depth(connection, queue) for queue in WORK_QUEUES}


@contextmanager
def _broker() -> Iterator[Connection]:
    names = ("socket_timeout", "socket_connect_timeout") if ON_REDIS else ("read_timeout", "write_timeout")
    timeouts = dict.fromkeys(names, BROKER_TIMEOUT_SECONDS)
    with app.connection_for_read(connect_timeout=BROKER_TIMEOUT_SECONDS, transport_options=timeouts) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_TIMEOUT_SECONDS)
        yield connection


def _depth(connection: Connection, queue: Queue) -> int:
    channel = connection.channel()
    try:
        return int(queue(channel).queue_declare(passive=True).message_count)
    except ChannelError:  # the queue does not exist; on Redis an empty queue does not either
        return 0
    finally:
        channel.close()


def read_probes() -> dict[str, QueueProbe]:
    """Return the last probe by queue, without `PROBE_QUEUE`. Cache errors propagate."""
    names = [queue.name for queue in WORK_QUEUES if queue.name != PROBE_QUEUE]
    known = cache.get_many([key for name in names for key in (_sent_key(name), _received_key(name))])
    return {name: QueueProbe(known.get(_sent_key(name), 0), known.get(_received_key(name), 0)) for name in names}


def queue_ages() -> dict[str, float]:
    """Return the minimum latency in seconds by queue, without queues that have no probe. Cache errors propagate."""
    found = {name: probe.age_seconds() for name, probe in read_probes().items() if probe.sent_at}
    if home_heard_at := cache.get(_received_key(PROBE_QUEUE)):
        found[PROBE_QUEUE] = max(0.0, time.time() - home_heard_at - PROBE_INTERVAL_SECONDS)
    return found


def mark_sent(queue: str, at: float) -> None:
    """Record that a probe was sent."""
    cache.set(_sent_key(queue), at, timeout=None)


def mark_received(queue: str, sent_at: float) -> None:
    """Record that a probe was received. Late and repeated probes never replace a newer one."""
    if sent_at > cache.get(_received_key(queue), 0):
        cache.set(_received_key(queue), sent_at, timeout=None)


def _sent_key(queue: str) -> str:
    return f"queue_probe:sent:{queue}"


def _received_key(queue: str) -> str:
    return f"queue_probe:received:{queue}"
