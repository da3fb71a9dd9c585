"""Request: what a client sent, whole and within its limits; it also takes the answer, for its client."""

import re
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from seckill.gate.answer import Answer

CallName = Literal["purchase", "ticket", "progress", "pass", "me"]
Call = tuple[CallName, str]  # and the ticket, or the sale's number

TICKET = "/api/tickets/"
ME = "/api/auth/me"
SALE = re.compile(r"/api/sales/([0-9]{1,9})/(purchase|progress|pass)")


def call_of(path: str) -> Call | None:
    """Which of the gate's calls has this address; None: it is for Django."""
    if path.startswith(TICKET):
        return "ticket", path[len(TICKET) :]
    if path == ME:
        return "me", ""
    match = SALE.fullmatch(path)
    return (cast("CallName", match[2]), match[1]) if match is not None else None


@dataclass(slots=True)
class Request:
    """One HTTP request."""

    method: str
    path: str  #: percent-decoded
    call: Call | None  #: of the gate; None: Django answers
    raw_path: bytes
    query: bytes
    http_version: str
    headers: list[tuple[bytes, bytes]]  #: as sent; names in lower case
    fields: dict[bytes, bytes]  #: the headers by name; of one sent twice the last value
    body: bytes
    keep_alive: bool
    client: "Client"
    is_passed_on: bool = False  #: whether Django answers it

    def finish(self, answer: Answer) -> None:
        """Send the answer. Nothing happens when the client is gone, or when this request has been answered.

        A connection behind a proxy carries requests of many people: an answer that came twice, or too late, must not
        be taken for that to the next one.
        """
        self.client.finish(self, answer)

    def pass_on(self) -> None:
        """Have Django answer instead, on the same terms."""
        self.client.pass_on(self)


class Client(Protocol):
    """A connection, which answers one request at a time."""

    def finish(self, request: Request, answer: Answer) -> None:
        """Send the answer, if this request is the one that waits for it."""

    def pass_on(self, request: Request) -> None:
        """Have Django answer this request, if it waits for its answer."""


class Asker(Protocol):
    """Whoever waits for an answer: a `Request`."""

    def finish(self, answer: Answer) -> None:
        """Take the answer; see `Request.finish`."""

    def pass_on(self) -> None:
        """Have Django answer instead."""
