"""Print order events of the shop, one line per event, until Ctrl-C.

    python examples/order_events.py amqp://guest:guest@127.0.0.1:5672// warehouse

Needs only kombu, no code of the shop. On RabbitMQ, the queue ("warehouse") stores events while this program is
disconnected, and a second program with its own queue receives all events too. On Redis, events are PUB/SUB: a
disconnected program misses them.
"""

import sys
from collections.abc import Callable
from typing import Any

from kombu import Connection, Consumer, Exchange, Queue
from kombu.mixins import ConsumerMixin


class Listener(ConsumerMixin):
    """Consumer that prints events. The base class reconnects when the broker is unavailable."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        # "#" matches every event. RabbitMQ ignores the routing key of a fanout exchange, Redis transports use it.
        self.queue = Queue(name, Exchange("shop.events", type="fanout"), routing_key="#", durable=True)

    def get_consumers(self, consumer_of: Callable[..., Consumer], _channel: object) -> list[Consumer]:
        """Return a consumer that accepts only JSON and prefetches at most 100 events."""
        return [consumer_of([self.queue], callbacks=[self.hear], accept=["json"], prefetch_count=100)]

    def on_consume_ready(self, *_: object, **__: object) -> None:
        """Report that the queue is bound; no event is missed from now on."""
        print("listening", flush=True)

    def hear(self, event: dict[str, Any], message: Any) -> None:  # noqa: ANN401 (kombu ships no types)
        """Print one event. Events may be delivered twice; programs with side effects must deduplicate by id."""
        numbers = " ".join(order["number"] for order in event["orders"])
        print(f"{event['event']} {event['id']} sale {event['sale']}: {numbers}", flush=True)
        message.ack()  # after printing, so that a crash before this line means redelivery


def main() -> None:
    """Consume events; the command line gives the broker's URL and the queue's name."""
    url, name = sys.argv[1:]
    with Connection(url, heartbeat=10) as connection:
        try:
            Listener(connection, name).run()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
