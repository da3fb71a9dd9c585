"""ASGI's types, as far as they are used here."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

#: In the scope of a request: an answer that is shared already is asked for again, for everybody who wants it.
RENEWAL = "seckill.renewal"
