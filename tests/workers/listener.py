"""A program outside the shop that consumes the shop's events."""

from typing import Any, Self
from uuid import uuid4

from kombu import Consumer
from kombu.entity import Queue
from kombu.message import Message

from celery_task.celery import app
from celery_task.queues import EVENTS


class Listener:
    """Has its own queue at the exchange: ``with Listener() as listener``. Receives only while `listen` runs."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.messages: list[Message] = []
        self._connection = app.connection_for_read()

    def listen(self) -> int:
        """Receive available events; return the number of events received so far."""
        try:
            while True:
                self._connection.drain_events(timeout=0.1)
        except TimeoutError:
            return len(self.heard)

    def _hear(self, document: dict[str, Any], message: Message) -> None:
        self.heard.append(document)
        self.messages.append(message)

    def __enter__(self) -> Self:
        queue = Queue(f"listener-{uuid4().hex}", EVENTS, routing_key="#", durable=False, exclusive=True)
        channel = self._connection.channel()
        Consumer(channel, [queue], callbacks=[self._hear], accept=["json"], no_ack=True).consume()
        self.listen()  # Redis subscribes only on the first drain
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.release()
