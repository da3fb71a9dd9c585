"""A visitor: asks an application as a web server does, and keeps what it received."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seckill.gate.asgi import Receive, Scope, Send
from seckill.gate.public_answers import PublicAnswers
from seckill.gate.routes import Application

CHINESE = "zh-CN,zh;q=0.9"


@dataclass
class Answered:
    """What a visitor received."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        return dict(self.headers).get(name)


@dataclass
class Visitor:
    """Asks an application as a web server does."""

    application: Application
    headers: dict[str, str] = field(default_factory=dict)

    async def get(
        self, path: str = "/", *, method: str = "GET", scheme: str = "http", query: bytes = b"", **more: str
    ) -> Answered:
        """One request; header names are written with underscores."""
        headers = {"host": "127.0.0.1", **self.headers, **{name.replace("_", "-"): more[name] for name in more}}
        raw = [(name.encode(), value.encode()) for name, value in headers.items() if value]
        return await self.ask({"method": method, "scheme": scheme, "path": path, "query_string": query, "headers": raw})

    async def ask(self, scope: Scope, send: Send | None = None, receive: Receive | None = None) -> Answered:
        """One request, by its scope."""
        sent: list[Mapping[str, Any]] = []

        async def note(message: Mapping[str, Any]) -> None:
            sent.append(message)
            if send is not None:
                await send(message)

        body: list[Mapping[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def stay() -> Mapping[str, Any]:
            return body.pop() if body else await asyncio.Event().wait()  # type: ignore[return-value]  # for ever

        await self.application({"type": "http", **scope}, receive or stay, note)
        start, *rest = sent
        return Answered(
            start["status"],
            [(name.decode(), value.decode()) for name, value in start["headers"]],
            b"".join(message["body"] for message in rest),
        )


def visit(shop: Application) -> Visitor:
    """A visitor of the shop behind public answers."""
    return Visitor(PublicAnswers(shop))
