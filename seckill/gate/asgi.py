"""The ASGI types that the gate uses.

`asgiref.typing` has stricter types: unions of typed dicts for HTTP, WebSocket and lifespan. They do not fit here. The
gate serves HTTP only, so each access would need a cast. And the gate adds a key to the scope (`RENEWAL`), which a typed
dict does not allow.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Key in the scope of a request that renews a cached response.
RENEWAL = "seckill.renewal"
