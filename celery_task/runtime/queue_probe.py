"""Backlog: how many messages wait in each queue, and for how long, on whichever broker.

No broker tells the age of its oldest message. So a *probe* is sent into each queue (`celery_task.monitoring_task`): while
it has not been heard, whatever was sent before it may still wait. A queue has one at a time, for messages in a queue
that nobody serves stay there, and fill the broker. What beat sends to have this done is itself the probe of its
queue (`PROBE_QUEUE`): else nobody would send one when just that queue is not served.
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
#: What may be raised by a broker that is away, whichever it is.
BROKER_ERRORS = (OperationalError, OSError, redis.RedisError, AMQPError)
BROKER_TIMEOUT_SECONDS = 1  # of the broker: whoever asks has other things to say
PROBE_LOST_SECONDS = 600  # a probe that a broker lost, in a queue that is never seen empty


@dataclass(frozen=True, slots=True)
class QueueProbe:
    """What is known about a queue's last probe. Times are seconds since 1970, 0 if there was none."""

    sent_at: float
    received_at: float  #: ``sent_at`` of the newest one that was heard

    def age_seconds(self) -> float:
        """How long messages have been waiting at least."""
        return max(0.0, time.time() - self.sent_at) if self.received_at < self.sent_at else 0.0

    def is_due(self, waiting: int) -> bool:
        """Whether to send another: this one was heard, or it is lost."""
        age = self.age_seconds()
        return age == 0 or waiting == 0 or age > PROBE_LOST_SECONDS


def queue_depths() -> dict[str, int]:
    """Queue → messages that wait; those that a worker holds already do not.

    Raises what the broker's transport raises when it does not answer within a second or two.
    """
    with _broker() as connection:
        return {queue.name: _depth(connection, queue) for queue in WORK_QUEUES}


@contextmanager
def _broker() -> Iterator[Connection]:
    names = ("socket_timeout", "socket_connect_timeout") if ON_REDIS else ("read_timeout", "write_timeout")
    patience = dict.fromkeys(names, BROKER_TIMEOUT_SECONDS)
    with app.connection_for_read(connect_timeout=BROKER_TIMEOUT_SECONDS, transport_options=patience) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_TIMEOUT_SECONDS)
        yield connection


def _depth(connection: Connection, queue: Queue) -> int:
    channel = connection.channel()
    try:
        return int(queue(channel).queue_declare(passive=True).message_count)
    except ChannelError:  # nobody has used it yet; on Redis also: it is empty
        return 0
    finally:
        channel.close()


def read_probes() -> dict[str, QueueProbe]:
    """Queue → its last probe; without `PROBE_QUEUE`. Raises what the cache raises."""
    names = [queue.name for queue in WORK_QUEUES if queue.name != PROBE_QUEUE]
    known = cache.get_many([key for name in names for key in (_sent_key(name), _received_key(name))])
    return {name: QueueProbe(known.get(_sent_key(name), 0), known.get(_received_key(name), 0)) for name in names}


def queue_ages() -> dict[str, float]:
    """Queue → seconds that messages wait at least; a queue of which nothing is known is left out.

    Raises what the cache raises.
    """
    found = {name: probe.age_seconds() for name, probe in read_probes().items() if probe.sent_at}
    if home_heard_at := cache.get(_received_key(PROBE_QUEUE)):
        found[PROBE_QUEUE] = max(0.0, time.time() - home_heard_at - PROBE_INTERVAL_SECONDS)
    return found


def mark_sent(queue: str, at: float) -> None:
    """A probe is on its way."""
    cache.set(_sent_key(queue), at, timeout=None)


def mark_received(queue: str, sent_at: float) -> None:
    """A probe has come through; one that is heard late or twice never makes it look older."""
    if sent_at > cache.get(_received_key(queue), 0):
        cache.set(_received_key(queue), sent_at, timeout=None)


def _sent_key(queue: str) -> str:
    return f"queue_probe:sent:{queue}"


def _received_key(queue: str) -> str:
    return f"queue_probe:received:{queue}"
