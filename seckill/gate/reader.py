"""Reader: reads the requests of a connection completely, within their limits, before they are served."""

import asyncio
from typing import TYPE_CHECKING, Any, cast

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from seckill.errors.problems import Problem
from seckill.gate.request import Request, parse_target
from seckill.gate.response import Response, problem_response

if TYPE_CHECKING:
    from seckill.gate.application import Application

log = structlog.get_logger(__name__)

URL_BYTES_MAX = 8 * 1024
HEADERS_MAX = 100
HEADER_BYTES_MAX = 32 * 1024
HOT_BODY_BYTES_MAX = 4 * 1024  # for the gate's routes; a purchase needs no body
BODY_BYTES_MAX = 1024 * 1024
ADMIN_BODY_BYTES_MAX = 10 * 1024 * 1024  # for pictures
PIECES_MAX = 256  # of a body, plus one per `PIECE_BYTES`: a piece costs more than its bytes
PIECE_BYTES = 64
FRAMING_BYTES_MAX = 64 * 1024  # chunk sizes, extensions and trailers of one message
PIPELINED_MAX = 32  # requests that wait for the one being served
# Requests in one read: after PAUSE_AFTER, other connections get a turn first. No real client sends over AT_ONCE_MAX.
PAUSE_AFTER, AT_ONCE_MAX = 16, 200

REPEATED_BYTES_MAX = 2 * 1024  # of a browser's poll; stored for each connection
HOME = parse_target(b"/")
SENT_ONCE = (b"host", b"content-length", b"transfer-encoding")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class RefusedRequestError(Exception):
    """The request is refused. Raised in callbacks of the parser."""

    def __init__(self, problem: Problem, detail: str = "") -> None:
        super().__init__(problem.code)
        self.response = problem_response(problem, detail)


class Reader(HttpToolsProtocol):
    """Parses the bytes of a client to requests. `Connection` serves them."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.shop = cast("Application", config.loaded_app)
        self.since = self.shop.clients.now  #: see `clients.LimitedConnection`
        self.is_reading = False  #: whether a request has been read in part
        self.paused_since: float | None = None  #: since when the client has not read its responses
        self.is_last = False  #: whether further bytes from the client are ignored
        self._request: Request | None = None  #: the request being served
        self._waiting: list[Request | Response] = []  #: in order; a `Response` is a refusal, and the last entry
        self._at_once = 0  #: requests in the read being parsed
        self._is_serving = False  #: whether `_serve_waiting` is on the call stack
        self._received = 0  #: bytes of the request, without the read in which it began
        self._together = 0  #: bytes of the read being parsed
        self.has_headers = False
        self.url = b""
        self._fields: dict[bytes, bytes] = {}
        self._target = HOME
        # The newest request, if it is a GET without a body, and its bytes, if they were a read of their own. A polling
        # client sends the same bytes again and again.
        self._last: Request | None = None
        self._last_read = b""
        self._body = bytearray()
        self._body_bytes_max = 0
        self._pieces = 0

    def data_received(self, data: bytes) -> None:
        """Parse ``data``, and serve the requests in it."""
        if self.is_last:
            return
        if data == self._last_read and self._last and self._request is None and not self.flow.write_paused:
            self._last = self._last.again()
            self._serve(self._last)
            return
        is_alone = not self.is_reading
        self._last_read = b""
        self._received += len(data)
        self._together = len(data)
        self._at_once = 0
        if not self._parse(data):
            return
        if self._at_once > PAUSE_AFTER:
            self.flow.pause_reading()
            self.loop.call_soon(self._serve_waiting)
        if self.is_reading:
            if self._received > FRAMING_BYTES_MAX + self._body_bytes_max:
                self._refuse(problem_response(Problem.TOO_LARGE if self.has_headers else Problem.HEADERS_TOO_LARGE))
        elif is_alone and self._at_once == 1 and len(data) <= REPEATED_BYTES_MAX:
            self._last_read = data

    def _parse(self, data: bytes) -> bool:
        """Feed the parser, which calls the ``on_`` methods. Return False if further bytes are ignored."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.is_last = True  # the request is served without the upgrade; the bytes after it are of another protocol
        except httptools.HttpParserCallbackError as error:
            reason = error.__context__
            if not isinstance(reason, RefusedRequestError):
                log.error("request_failed", exc_info=reason)  # noqa: TRY400 (the traceback is that of its context)
                reason = RefusedRequestError(Problem.INTERNAL)
            self._refuse(reason.response)
        except httptools.HttpParserError:
            self._refuse(problem_response(Problem.BAD_REQUEST, "The request is not valid HTTP/1.1."))
        return not self.is_last

    def on_message_begin(self) -> None:
        """Called at the first byte of a request."""
        self.since = self.shop.clients.now
        self.is_reading = True
        self.has_headers = False
        self.url = b""
        self.headers = []
        self._received = self._pieces = self._body_bytes_max = 0

    def on_url(self, url: bytes) -> None:
        """Called for each part of the request target."""
        self.url += url
        if len(self.url) > URL_BYTES_MAX:
            raise RefusedRequestError(Problem.URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called for each header, and for each trailer of a chunked body. Trailers are dropped."""
        if not self.has_headers:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Called after the last header: check the headers, and set the size limit of the body."""
        self.has_headers = True
        headers = self.headers
        fields = self._fields = dict(headers)
        if len(headers) > HEADERS_MAX or (
            self._received + self._together > HEADER_BYTES_MAX and _size(headers) > HEADER_BYTES_MAX
        ):
            raise RefusedRequestError(Problem.HEADERS_TOO_LARGE)
        if len(fields) != len(headers):
            names = [name for name, _ in headers]
            if any(names.count(name) > 1 for name in SENT_ONCE):
                raise RefusedRequestError(Problem.BAD_REQUEST, "A header that may occur only once was sent twice.")
        self._read_target()
        if b"transfer-encoding" in fields or b"content-length" in fields:
            self._expect_body(fields)

    def _expect_body(self, fields: dict[bytes, bytes]) -> None:
        """Check the announced body, and send *100 Continue* to a client that waits for it."""
        if self._target.route is not None:
            self._body_bytes_max = HOT_BODY_BYTES_MAX
        else:
            self._body_bytes_max = ADMIN_BODY_BYTES_MAX if self._target.path.startswith("/admin/") else BODY_BYTES_MAX
        coding = fields.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise RefusedRequestError(Problem.BAD_REQUEST, "The only supported transfer coding is chunked.")
        length = int(fields.get(b"content-length", b"0"))
        if length > self._body_bytes_max:
            raise RefusedRequestError(Problem.TOO_LARGE)
        waits = (coding or length) and fields.get(b"expect", b"").lower() == b"100-continue"
        if waits and self._request is None and self.parser.get_http_version() == "1.1":
            self.transport.write(CONTINUE)

    def _read_target(self) -> None:
        """Parse the request target (RFC 9112, 3.2)."""
        url, fields = self.url, self._fields
        if not url.startswith(b"/"):
            try:
                parsed = httptools.parse_url(url)
            except httptools.HttpParserInvalidURLError as error:
                raise RefusedRequestError(Problem.BAD_REQUEST, "The URL is not valid.") from error
            schema, host = parsed.schema or b"", parsed.host
            if schema.lower() not in (b"http", b"https") or not host or parsed.userinfo:
                raise RefusedRequestError(Problem.BAD_REQUEST, "The URL is not valid.")
            host = b"[%s]" % host if b":" in host else host
            host = host if parsed.port is None else b"%s:%d" % (host, parsed.port)
            self.headers = [(name, value) for name, value in self.headers if name != b"host"] + [(b"host", host)]
            fields[b"host"] = host
            url = (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
        elif b"host" not in fields and self.parser.get_http_version() == "1.1":
            raise RefusedRequestError(Problem.BAD_REQUEST, "The Host header is missing.")
        try:
            self._target = parse_target(url)
        except UnicodeDecodeError as error:
            raise RefusedRequestError(Problem.BAD_REQUEST, "The URL is not valid.") from error

    def on_body(self, body: bytes) -> None:
        """Called for each piece of the body."""
        self._pieces += 1
        size = len(self._body) + len(body)
        if size > self._body_bytes_max or self._pieces > PIECES_MAX + size // PIECE_BYTES:
            raise RefusedRequestError(Problem.TOO_LARGE)
        if not self.shop.clients.take_body_bytes(len(body)):
            raise RefusedRequestError(Problem.UNAVAILABLE)
        self._body += body

    def _take_body(self) -> bytes:
        """Return the body. `Clients` counts its bytes until the response is sent."""
        body = bytes(self._body)
        self._body.clear()
        return body

    def _drop_bodies(self) -> None:
        """Drop the bodies of requests that get no response, and uncount their bytes."""
        requests = [self._request, *self._waiting]
        kept = sum(len(request.body) for request in requests if isinstance(request, Request))
        self.shop.clients.take_body_bytes(-len(self._body) - kept)
        self._body.clear()
        self._waiting.clear()

    def on_message_complete(self) -> None:
        """Called at the end of a request: serve it, or queue it."""
        self.is_reading = False
        if self.is_last:
            return
        parser = self.parser
        keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        version = "1.1"
        if not keep_alive or b"connection" in self._fields:  # otherwise it is 1.1
            version = parser.get_http_version()
            if version not in ("1.0", "1.1"):
                raise RefusedRequestError(Problem.BAD_REQUEST, "The request is not valid HTTP/1.1.")
            keep_alive = keep_alive and version == "1.1"
        self.is_last = not keep_alive
        self._at_once += 1
        if self._at_once > AT_ONCE_MAX:
            raise RefusedRequestError(Problem.UNAVAILABLE, "Too many requests were sent at once on one connection.")
        request = Request(
            parser.get_method().decode("ascii"), self._target, version, self.headers, self._fields,
            self._take_body() if self._body else b"", keep_alive, self,
        )  # fmt: skip
        self._last = request if request.method == "GET" and not request.body else None
        if self._request is None and not self._waiting and not self.flow.write_paused:
            self._serve(request)
        elif len(self._waiting) < PIPELINED_MAX:
            self._waiting.append(request)
            self.flow.pause_reading()
        else:
            raise RefusedRequestError(Problem.UNAVAILABLE, "Too many requests were sent at once on one connection.")

    def respond(self, request: Request, response: Response) -> None:
        """Send the response of a request (see `request.Client`)."""
        raise NotImplementedError

    def forward(self, request: Request) -> None:
        """Have Django respond to a request (see `request.Client`)."""
        raise NotImplementedError

    def _serve(self, request: Request) -> None:
        """Serve a request that has been read."""
        raise NotImplementedError

    def _serve_waiting(self) -> None:
        """Serve the requests that wait, in order."""
        raise NotImplementedError

    def _refuse(self, response: Response) -> None:
        """Respond, after the responses before it, and close the connection."""
        raise NotImplementedError


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    """Return the bytes of all names and values."""
    return sum(len(name) + len(value) for name, value in headers)
