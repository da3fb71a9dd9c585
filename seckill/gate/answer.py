"""Answers: a status, a JSON body and headers, sent the ASGI way."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seckill.problems import MEDIA_TYPE, Problem

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

NO_STORE = (b"cache-control", b"no-store")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    media_type: bytes = b"application/json"

    async def send(self, send: Send, *, with_body: bool = True) -> None:
        """Send it; without its body for a HEAD request."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [
                    (b"content-type", self.media_type),
                    (b"content-length", b"%d" % len(self.body)),
                    *self.headers,
                ],
            }
        )
        await send({"type": "http.response.body", "body": self.body if with_body else b""})


def json_answer(status: int, document: Mapping[str, object], *headers: tuple[bytes, bytes]) -> Answer:
    """A JSON answer that nobody may store, unless ``headers`` say otherwise."""
    return Answer(status, json.dumps(document, separators=(",", ":")).encode(), headers or (NO_STORE,))


def problem_answer(problem: Problem, detail: str = "", *headers: tuple[bytes, bytes]) -> Answer:
    """An RFC 9457 answer."""
    return Answer(problem.value.status, problem.body(detail), (NO_STORE, *headers), MEDIA_TYPE.encode())
