"""Request: what a client sent, whole and within its limits; it also takes the answer, for its client."""

import re
from functools import lru_cache
from typing import Literal, Protocol, cast
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from seckill.gate.response import Response

RouteName = Literal["purchase", "ticket", "progress", "pass", "me"]
Route = tuple[RouteName, str]  # and the ticket, or the sale's number

TICKET = "/api/tickets/"
TICKET_BYTES = TICKET.encode()
ME = "/api/auth/me"
SALE = re.compile(r"/api/sales/([0-9]{1,9})/(purchase|progress|pass)")


def match_route(path: str) -> Route | None:
    """Which of the gate's calls has this address; None: it is for Django."""
    if path.startswith(TICKET):
        return "ticket", path[len(TICKET) :]
    if path == ME:
        return "me", ""
    match = SALE.fullmatch(path)
    return (cast("RouteName", match[2]), match[1]) if match is not None else None


class Target(Struct, frozen=True):
    """What a request asks for."""

    raw_path: bytes
    path: str  #: percent-decoded
    query: bytes
    call: Route | None  #: of the gate; None: Django answers


def parse_target(url: bytes) -> Target:
    """Take a request target in origin form apart. Raises UnicodeDecodeError when its path is not ASCII."""
    return _split_target(url) if url.startswith(TICKET_BYTES) else _remembered(url)


def _split_target(url: bytes) -> Target:
    raw_path, _, query = url.partition(b"?")
    path = raw_path.decode("ascii")
    path = unquote(path) if "%" in path else path
    return Target(raw_path, path, query, match_route(path))


_remembered = lru_cache(maxsize=256)(
    _split_target
)  # a crowd asks for a few addresses, but each for a ticket of its own


class Request(Struct, eq=False):
    """One HTTP request."""

    method: str
    target: Target
    http_version: str
    headers: list[tuple[bytes, bytes]]  #: as sent; names in lower case
    fields: dict[bytes, bytes]  #: the headers by name; of one sent twice the last value
    body: bytes
    keep_alive: bool
    client: "Client"
    is_forwarded: bool = False  #: whether Django answers it
    # `PublicAnswers` keeps its key for this request here, and the header names the key was made for, so that a repeated
    # request has them at once.
    shared_key: tuple[object, ...] | None = None
    shared_vary: tuple[bytes, ...] = ()

    def again(self) -> "Request":
        """The same request, sent once more."""
        return replace(self, is_forwarded=False)

    def respond(self, response: Response) -> None:
        """Send the answer. Nothing happens when the client is gone, or when this request has been answered.

        A connection behind a proxy carries requests of many people: an answer that came twice, or too late, must not
        be taken for that to the next one.
        """
        self.client.respond(self, response)

    def forward(self) -> None:
        """Have Django answer instead, on the same terms."""
        self.client.forward(self)


class Client(Protocol):
    """A connection, which answers one request at a time."""

    def respond(self, request: Request, response: Response) -> None:
        """Send the answer, if this request is the one that waits for it."""

    def forward(self, request: Request) -> None:
        """Have Django answer this request, if it waits for its answer."""


class Caller(Protocol):
    """Whoever waits for an answer: a `Request`."""

    def respond(self, response: Response) -> None:
        """Take the answer; see `Request.finish`."""

    def forward(self) -> None:
        """Have Django answer instead."""
