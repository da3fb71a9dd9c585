"""Problems: all errors of the API as RFC 9457 problem documents, each with a stable code."""

import json
from dataclasses import dataclass
from enum import Enum

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """HTTP status and title of a problem."""

    status: int
    title: str


class Problem(Enum):
    """All problem types. The code is the lower-case name of the member."""

    BAD_REQUEST = ProblemType(400, "The request is not understood")
    INVALID = ProblemType(400, "Some fields are not valid")
    BAD_PASS = ProblemType(401, "This pass is not valid here")
    NOT_LOGGED_IN = ProblemType(401, "Log in first")
    BAD_CREDENTIALS = ProblemType(401, "User name and password do not match")
    FORBIDDEN = ProblemType(403, "Not allowed")
    NOT_OPEN = ProblemType(403, "The sale has not opened yet")
    PAUSED = ProblemType(403, "The sale is paused")
    CLOSED = ProblemType(403, "The sale is over")
    NOT_FOUND = ProblemType(404, "There is no such thing here")
    METHOD_NOT_ALLOWED = ProblemType(405, "This address does not take that method")
    NOT_ACCEPTABLE = ProblemType(406, "The answer is JSON only")
    REQUEST_TIMEOUT = ProblemType(408, "The request took too long to arrive")
    SOLD_OUT = ProblemType(409, "Sold out")
    ORDER_DECIDED = ProblemType(409, "The order is not waiting for payment any more")
    EXPORT_NOT_DONE = ProblemType(409, "The export is not done")
    TOO_MANY_ORDERS = ProblemType(409, "Too many orders for one answer: export them with ?async=1")
    COMES_WITH_SHOP = ProblemType(409, "It comes with the shop, which would make it anew: disable it")
    TOO_LARGE = ProblemType(413, "The request is too large")
    URL_TOO_LONG = ProblemType(414, "The address is too long")
    UNSUPPORTED_MEDIA_TYPE = ProblemType(415, "The request has to be JSON")
    TOO_MANY_EXPORTS = ProblemType(429, "Too many of your exports are not finished")
    THROTTLED = ProblemType(429, "Too many requests")
    HEADERS_TOO_LARGE = ProblemType(431, "The headers are too large")
    INTERNAL = ProblemType(500, "Something broke on our side")
    RECOVERING = ProblemType(503, "The line is being restored: try again in a moment")
    UNAVAILABLE = ProblemType(503, "A part of the shop is out of reach: try again in a moment")

    @property
    def code(self) -> str:
        """The stable code for programs, such as ``sold_out``."""
        return self.name.lower()

    def document(self, detail: str = "", **more: object) -> dict[str, object]:
        """Return the problem document; ``more`` are extension members."""
        document: dict[str, object] = {
            "type": f"urn:seckill:problem:{self.code}",
            "title": self.value.title,
            "status": self.value.status,
            "code": self.code,
        }
        if detail:
            document["detail"] = detail
        return document | more

    def body(self, detail: str = "", **more: object) -> bytes:
        """Return the problem document as JSON."""
        return json.dumps(self.document(detail, **more), separators=(",", ":")).encode()
