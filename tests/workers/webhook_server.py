"""The service that notifies buyers: receives webhooks, and responds as the test says."""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from django.utils import timezone

from devtools.waiting import WAIT_SECONDS_MAX

SECRET = "a-secret-for-notices-of-at-least-32-characters"


@dataclass(frozen=True, slots=True)
class Heard:
    """A received request."""

    path: str
    headers: Message
    body: bytes
    at: datetime

    @property
    def key(self) -> str:
        """Return the event's key, equal in repeated deliveries."""
        return str(self.headers["Idempotency-Key"])


class Notifier:
    """A real server: ``with Notifier() as notifier``."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answers: deque[int] = deque()  # next statuses; 204 when empty
        self.answer_always = 0  # a fixed status; 0: use the list above
        self.may_answer = threading.Event()  # while cleared, responses wait
        self.may_answer.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def address(self) -> str:
        """Return its base URL."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a worker that delivers to it."""
        return {"SECKILL_WEBHOOK_URL": f"{self.address}/orders", "SECKILL_WEBHOOK_SECRET": SECRET}

    def received(self) -> list[str]:
        """Return the events received, in order."""
        return [heard.key for heard in self.heard]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        notifier = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                notifier.heard.append(Heard(self.path, self.headers, body, timezone.now()))
                notifier.may_answer.wait(timeout=WAIT_SECONDS_MAX)
                status = notifier.answer_always or (notifier.answers.popleft() if notifier.answers else 204)
                self.send_response(status)
                self.send_header("Location", f"{notifier.address}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
