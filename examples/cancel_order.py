"""Cancel an unpaid order from another platform, such as a fraud check, by sending a task to the shop by name.

    python examples/cancel_order.py amqp://guest:guest@127.0.0.1:5672// 7K2Q-M9XD-4TPA

Needs only Celery, no code of the shop. Paid and already cancelled orders stay unchanged. The unit of a cancelled order
goes to the next buyer in line.
"""

import sys

from celery import Celery
from kombu import Queue


def main() -> None:
    """Send the task; the command line gives the broker's URL and the order's number."""
    url, number = sys.argv[1:]
    app = Celery(broker=url)
    app.conf.broker_transport_options = {"confirm_publish": True}  # RabbitMQ: wait for its confirmation
    queue = Queue("orders", routing_key="orders", no_declare=True)  # the shop declares the queue
    task = app.send_task("celery_task.order_task.cancel_order", args=[number], queue=queue, ignore_result=True)
    print(f"sent {task.id}")


if __name__ == "__main__":
    main()
