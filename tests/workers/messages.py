"""Messages that wait in a queue, on whichever broker."""

from kombu.entity import Queue
from kombu.message import Message

from celery_task.celery import app


def take(queue: Queue) -> list[Message]:
    """Take whatever waits there, oldest first; what another worker has fetched is not among them."""
    taken = []
    with app.connection_for_read() as connection:
        bound = queue(connection.default_channel)
        bound.declare()
        while message := bound.get(no_ack=True):
            taken.append(message)
    return taken


def tasks(queue: Queue) -> list[str]:
    """The names of the tasks that wait there, taken."""
    return [message.headers["task"] for message in take(queue)]
