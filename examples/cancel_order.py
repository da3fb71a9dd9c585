"""Give an unpaid order back, as a fraud check of another platform would: it sends a task to the shop, by name.

    python examples/cancel_order.py amqp://guest:guest@127.0.0.1:5672// 7K2Q-M9XD-4TPA

It needs Celery and nothing of the shop. An order that is paid, or was given back before, stays as it is. The next in
line gets the unit a moment later.
"""

import sys

from celery import Celery
from kombu import Queue


def main() -> None:
    """Send the task for the broker and the order that the command line names."""
    url, number = sys.argv[1:]
    app = Celery(broker=url)
    app.conf.broker_transport_options = {"confirm_publish": True}  # RabbitMQ: return once it has the message
    queue = Queue("orders", routing_key="orders", no_declare=True)  # the shop knows what kind of queue it is
    task = app.send_task("celery_task.order_task.cancel_order", args=[number], queue=queue, ignore_result=True)
    print(f"sent {task.id}")


if __name__ == "__main__":
    main()
