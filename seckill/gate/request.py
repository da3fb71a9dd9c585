"""Request: what a client sent, whole and within its limits; and the other end, which takes the answer."""

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


class Asker(Protocol):
    """Who waits for the answer to one request."""

    def finish(self, answer: Answer) -> None:
        """Send the answer; nothing happens when the client is gone."""

    def pass_on(self) -> None:
        """Have Django answer instead."""
