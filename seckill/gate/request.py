"""Request: a complete HTTP request, within its limits. The response is sent through it."""

import re
from functools import lru_cache
from typing import Literal, Protocol, cast
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from seckill.gate.response import Response

RouteName = Literal["purchase", "ticket", "progress", "pass", "me"]
Route = tuple[RouteName, str]  # the name, and the ticket or the sale id

TICKET = "/api/tickets/"
TICKET_BYTES = TICKET.encode()
ME = "/api/auth/me"
SALE = re.compile(r"/api/sales/([0-9]{1,9})/(purchase|progress|pass)")


def match_route(path: str) -> Route | None:
    """Return the gate's route for a path, or None if Django serves it."""
    if path.startswith(TICKET):
        return "ticket", path[len(TICKET) :]
    if path == ME:
        return "me", ""
    match = SALE.fullmatch(path)
    return (cast("RouteName", match[2]), match[1]) if match is not None else None


class Target(Struct, frozen=True):
    """The parsed target of a request."""

    raw_path: bytes
    path: str  #: percent-decoded
    query: bytes
    route: Route | None  #: the gate's route; None: Django serves the request


def parse_target(url: bytes) -> Target:
    """Parse a request target in origin form.

    Raises:
        UnicodeDecodeError: the path is not ASCII.
    """
    return _split_target(url) if url.startswith(TICKET_BYTES) else _split_target_cached(url)


def _split_target(url: bytes) -> Target:
    raw_path, _, query = url.partition(b"?")
    path = raw_path.decode("ascii")
    path = unquote(path) if "%" in path else path
    return Target(raw_path, path, query, match_route(path))


# A crowd requests the same few targets. Tickets are not cached, because each buyer polls a different one.
_split_target_cached = lru_cache(maxsize=256)(_split_target)


class Request(Struct, eq=False):
    """One HTTP request."""

    method: str
    target: Target
    http_version: str
    headers: list[tuple[bytes, bytes]]  #: as sent; names in lower case
    fields: dict[bytes, bytes]  #: the headers by name; the last value of a repeated header
    body: bytes
    keep_alive: bool
    client: "Client"
    is_forwarded: bool = False  #: whether Django responds
    # `ResponseCache` stores its key for this request here, and the header names the key was made of. A repeated request
    # has both already.
    shared_key: tuple[object, ...] | None = None
    shared_vary: tuple[bytes, ...] = ()

    def again(self) -> "Request":
        """Return a copy for a client that repeats the request."""
        return replace(self, is_forwarded=False)

    def respond(self, response: Response) -> None:
        """Send the response. Do nothing if the client has disconnected, or if the request has had a response.

        A connection from a proxy carries requests of many people. A second or late response must never be read as the
        response to the next request.
        """
        self.client.respond(self, response)

    def forward(self) -> None:
        """Have Django respond instead, under the same conditions."""
        self.client.forward(self)


class Client(Protocol):
    """A connection, which serves one request at a time."""

    def respond(self, request: Request, response: Response) -> None:
        """Send the response if this request is the one being served."""

    def forward(self, request: Request) -> None:
        """Have Django respond if this request is the one being served."""


class Caller(Protocol):
    """What the gate's routes need of a `Request`."""

    def respond(self, response: Response) -> None:
        """Send the response; see `Request.respond`."""

    def forward(self) -> None:
        """Have Django respond instead."""
