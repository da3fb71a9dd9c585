"""Read and remove the messages of a queue, on either broker."""

from kombu.entity import Queue
from kombu.message import Message

from celery_task.celery import app


def take(queue: Queue) -> list[Message]:
    """Take all messages of the queue, oldest first. Messages already delivered to a worker are not included."""
    taken = []
    with app.connection_for_read() as connection:
        bound = queue(connection.default_channel)
        bound.declare()
        while message := bound.get(no_ack=True):
            taken.append(message)
    return taken


def tasks(queue: Queue) -> list[str]:
    """Take all messages and return the names of their tasks."""
    return [message.headers["task"] for message in take(queue)]
