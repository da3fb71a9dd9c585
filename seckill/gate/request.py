"""Request: what a client sent, whole and within its limits; and the other end, which takes the answer."""

import re
from dataclasses import dataclass
from typing import Literal, Protocol

from seckill.gate.answer import Answer

Call = tuple[Literal["purchase", "ticket", "progress"], str]  # name, and the ticket or the sale's number

TICKET = "/api/tickets/"
SALE = re.compile(r"/api/sales/([0-9]{1,9})/(purchase|progress)")


def call_of(path: str) -> Call | None:
    """Which of the gate's calls has this address; None: it is Django's."""
    if path.startswith(TICKET):
        return "ticket", path[len(TICKET) :]
    match = SALE.fullmatch(path)
    return (match[2], match[1]) if match is not None else None  # type: ignore[return-value]  # the pattern names them


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
