"""What happens to orders, as another platform hears it: one line for each event, until Ctrl-C.

    python examples/order_events.py amqp://guest:guest@127.0.0.1:5672// warehouse

It needs kombu and nothing of the shop. On RabbitMQ the queue ("warehouse") keeps what is published while this program
is away; a second program with a queue of its own gets everything too. On Redis events are PUB/SUB: who isn't there
misses them.
"""

import sys
from collections.abc import Callable
from typing import Any

from kombu import Connection, Consumer, Exchange, Queue
from kombu.mixins import ConsumerMixin


class Listener(ConsumerMixin):
    """Prints events. When the broker is away it tries again until it is back, which the base class sees to."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        # "#" is every event. A fanout exchange of RabbitMQ takes no notice of it; Redis does.
        self.queue = Queue(name, Exchange("shop.events", type="fanout"), routing_key="#", durable=True)

    def get_consumers(self, consumer_of: Callable[..., Consumer], _channel: object) -> list[Consumer]:
        """JSON only, and not more than a hundred events in hand."""
        return [consumer_of([self.queue], callbacks=[self.hear], accept=["json"], prefetch_count=100)]

    def on_consume_ready(self, *_: object, **__: object) -> None:
        """From now on nothing is missed."""
        print("listening", flush=True)

    def hear(self, event: dict[str, Any], message: Any) -> None:  # noqa: ANN401 (kombu ships no types)
        """One event. It may come twice: whoever does more than print remembers its id."""
        numbers = " ".join(order["number"] for order in event["orders"])
        print(f"{event['event']} {event['id']} sale {event['sale']}: {numbers}", flush=True)
        message.ack()  # only now: had we died before, it would come again


def main() -> None:
    """Listen at the broker and with the queue that the command line names."""
    url, name = sys.argv[1:]
    with Connection(url, heartbeat=10) as connection:
        try:
            Listener(connection, name).run()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
