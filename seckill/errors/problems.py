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

    BAD_REQUEST = ProblemType(400, "Bad request")
    INVALID = ProblemType(400, "Some fields are invalid")
    BAD_PASS = ProblemType(401, "The pass is not valid")
    NOT_LOGGED_IN = ProblemType(401, "Not logged in")
    BAD_CREDENTIALS = ProblemType(401, "Wrong user name or password")
    FORBIDDEN = ProblemType(403, "Permission denied")
    NOT_OPEN = ProblemType(403, "The sale is not open yet")
    PAUSED = ProblemType(403, "The sale is paused")
    CLOSED = ProblemType(403, "The sale has ended")
    NOT_FOUND = ProblemType(404, "Not found")
    METHOD_NOT_ALLOWED = ProblemType(405, "Method not allowed")
    NOT_ACCEPTABLE = ProblemType(406, "Only JSON responses are available")
    REQUEST_TIMEOUT = ProblemType(408, "The request took too long to arrive")
    SOLD_OUT = ProblemType(409, "Sold out")
    ORDER_DECIDED = ProblemType(409, "The order is no longer awaiting payment")
    EXPORT_NOT_DONE = ProblemType(409, "The export is not finished")
    TOO_MANY_ORDERS = ProblemType(409, "Too many orders for one response: export them with ?async=1")
    COMES_WITH_SHOP = ProblemType(409, "A built-in schedule can't be deleted, only disabled")
    TOO_LARGE = ProblemType(413, "The request is too large")
    URL_TOO_LONG = ProblemType(414, "The URL is too long")
    UNSUPPORTED_MEDIA_TYPE = ProblemType(415, "The request body must be JSON")
    TOO_MANY_EXPORTS = ProblemType(429, "Too many unfinished exports")
    THROTTLED = ProblemType(429, "Too many requests")
    HEADERS_TOO_LARGE = ProblemType(431, "The headers are too large")
    INTERNAL = ProblemType(500, "Internal server error")
    RECOVERING = ProblemType(503, "The line is being restored; try again later")
    UNAVAILABLE = ProblemType(503, "The service is temporarily unavailable; try again later")

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
