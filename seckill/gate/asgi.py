"""The ASGI types that the gate uses.

`asgiref.typing` has stricter ones, unions of typed dicts. They do not fit here: the gate serves HTTP only, so each
access would need a cast, and it adds a key of its own to the scope (`RENEWAL`), which those types do not allow.
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
