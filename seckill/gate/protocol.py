"""Protocol: one client connection. Hot requests are answered where they are parsed, all others go on to Django.

A request is taken whole, within its limits, before anything is done about it. A connection answers one request at a
time; what a client sends meanwhile waits, so answers always come in order. uvicorn keeps the rest: the socket, its
flow control, and the running of Django's ASGI application.
"""

import asyncio
from typing import TYPE_CHECKING, Any, cast

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from seckill.errors.problems import Problem
from seckill.gate.deferred import error_response
from seckill.gate.request import Request, parse_target
from seckill.gate.response import Response, problem_response

if TYPE_CHECKING:
    from uvicorn._types import HTTPScope

    from seckill.gate.application import Application

log = structlog.get_logger(__name__)

URL_BYTES_MAX = 8 * 1024
HEADERS_MAX = 100
HEADER_BYTES_MAX = 32 * 1024
HOT_BODY_BYTES_MAX = 4 * 1024  # a purchase needs no body at all
BODY_BYTES_MAX = 1024 * 1024
ADMIN_BODY_BYTES_MAX = 10 * 1024 * 1024  # pictures are uploaded there
PIECES_MAX = 256  # of a body, beside one for each `PIECE_BYTES`: a piece costs more than its bytes
PIECE_BYTES = 64
FRAMING_BYTES_MAX = 64 * 1024  # chunk sizes, extensions and trailers of one message
PIPELINED_MAX = 32  # requests that wait behind one that is not answered yet
# Requests of one read: after so many others have their turn first, and more than the most are nobody's in earnest.
PAUSE_AFTER, AT_ONCE_MAX = 16, 200

REPEATED_BYTES_MAX = 2 * 1024  # what a browser sends for a poll; kept for each connection
HOME = parse_target(b"/")
NOT_MODIFIED = 304  # has no body, and so no length
SENT_ONCE = (b"host", b"content-length", b"transfer-encoding")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class RefusedError(Exception):
    """Raised inside the parser: the message cannot be taken."""

    def __init__(self, problem: Problem, detail: str = "") -> None:
        super().__init__(problem.code)
        self.response = problem_response(problem, detail)


class Connection(HttpToolsProtocol):
    """Reads requests, and writes an answer to each in turn."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.shop = cast("Application", config.loaded_app)
        self.since = self.shop.clients.now  #: when the client was last answered, or began the message it is sending
        self.is_reading = False  #: whether a message has begun and is not whole yet
        self.paused_since: float | None = None  #: since when the client has not read what was written
        self.is_last = False  #: whether nothing that the client sends from here on is looked at
        self._request: Request | None = None  #: the one being answered
        self._waiting: list[
            Request | Response
        ] = []  #: in order; an `Response` refuses what cannot be taken, and is the last
        self._at_once = 0  #: requests that came together
        self._is_serving = False  #: whether `_serve_waiting` is at work further down the stack
        self._received = 0  #: bytes of the message, without those that came together with its first one
        self._together = 0  #: bytes that came together with the one being parsed
        self.has_headers = False
        self.url = b""
        self._fields: dict[bytes, bytes] = {}
        self._target = HOME
        # The newest request, if it is a GET without a body, and its bytes, if they were one whole read. A client that
        # polls sends the same bytes again and again.
        self._last: Request | None = None
        self._last_read = b""
        self._body = bytearray()
        self._body_bytes_max = 0
        self._pieces = 0

    # --- The connection ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take the client in, unless there are too many."""
        super().connection_made(transport)
        if not self.shop.clients.add(self):
            self._refuse(problem_response(Problem.UNAVAILABLE))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what the client still wanted; what has begun in the line or in Django goes on."""
        self.shop.clients.discard(self)
        self._drop_bodies()
        self._request = self._last = None
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Called when the client does not read what was written: it is not served until it does."""
        super().pause_writing()
        self.paused_since = self.shop.clients.now
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """Called when the client has read most of it."""
        super().resume_writing()
        self.paused_since = None
        self._serve_waiting()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn returns nothing, which closes
        """Called when the client sends nothing more. True: it still gets the answer that the gate is making for it.

        Who waits for Django has left, for all that can be told, and makes room there for others.
        """
        self.is_last = True
        request = self._request
        return request is not None and request.target.call is not None and not request.is_forwarded

    def shutdown(self) -> None:
        """Called when the process is to end: finish what is under way, then close."""
        self.is_last = True
        if self._request is None:
            self.transport.close()
            return
        self._request.keep_alive = False
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def time_out(self) -> None:
        """Refuse a request that takes too long to arrive."""
        self._refuse(problem_response(Problem.REQUEST_TIMEOUT))

    def close(self) -> None:
        """Close the connection when what was written has been sent."""
        self.since = self.shop.clients.now
        self.transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    @property
    def is_closing(self) -> bool:
        """Whether the connection is closed as soon as the client has read everything."""
        return self.transport.is_closing()

    @property
    def is_answering(self) -> bool:
        """Whether a request is under way."""
        return self._request is not None

    # --- Reading ----------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse what came; requests are served on the way."""
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
        """Have the parser call us; False: nothing more of this client is looked at."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.is_last = True  # the request was taken as any other; what follows would be another protocol
        except httptools.HttpParserCallbackError as error:
            reason = error.__context__
            if not isinstance(reason, RefusedError):
                log.error("request_failed", exc_info=reason)  # noqa: TRY400 (the traceback is that of its context)
                reason = RefusedError(Problem.INTERNAL)
            self._refuse(reason.response)
        except httptools.HttpParserError:
            self._refuse(problem_response(Problem.BAD_REQUEST, "The request is not valid HTTP/1.1."))
        return not self.is_last

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self.since = self.shop.clients.now
        self.is_reading = True
        self.has_headers = False
        self.url = b""
        self.headers = []
        self._received = self._pieces = self._body_bytes_max = 0

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        self.url += url
        if len(self.url) > URL_BYTES_MAX:
            raise RefusedError(Problem.URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer after a chunked body; trailers are dropped."""
        if not self.has_headers:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """All headers are there: whether the request may go on, and how large its body may be."""
        self.has_headers = True
        headers = self.headers
        fields = self._fields = dict(headers)
        if len(headers) > HEADERS_MAX or (
            self._received + self._together > HEADER_BYTES_MAX and _size(headers) > HEADER_BYTES_MAX
        ):
            raise RefusedError(Problem.HEADERS_TOO_LARGE)
        if len(fields) != len(headers):
            names = [name for name, _ in headers]
            if any(names.count(name) > 1 for name in SENT_ONCE):
                raise RefusedError(Problem.BAD_REQUEST, "A header that may be sent once was sent twice.")
        self._read_target()
        if b"transfer-encoding" in fields or b"content-length" in fields:
            self._expect_body(fields)

    def _expect_body(self, fields: dict[bytes, bytes]) -> None:
        """Look at how a body is announced, and have a client that waits for leave send it."""
        if self._target.call is not None:
            self._body_bytes_max = HOT_BODY_BYTES_MAX
        else:
            self._body_bytes_max = ADMIN_BODY_BYTES_MAX if self._target.path.startswith("/admin/") else BODY_BYTES_MAX
        coding = fields.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise RefusedError(Problem.BAD_REQUEST, "The only transfer coding that is taken is chunked.")
        length = int(fields.get(b"content-length", b"0"))
        if length > self._body_bytes_max:
            raise RefusedError(Problem.TOO_LARGE)
        waits = (coding or length) and fields.get(b"expect", b"").lower() == b"100-continue"
        if waits and self._request is None and self.parser.get_http_version() == "1.1":
            self.transport.write(CONTINUE)

    def _read_target(self) -> None:
        """Take the request target apart (RFC 9112, 3.2)."""
        url, fields = self.url, self._fields
        if not url.startswith(b"/"):
            try:
                parsed = httptools.parse_url(url)
            except httptools.HttpParserInvalidURLError as error:
                raise RefusedError(Problem.BAD_REQUEST, "The address is not valid.") from error
            schema, host = parsed.schema or b"", parsed.host
            if schema.lower() not in (b"http", b"https") or not host or parsed.userinfo:
                raise RefusedError(Problem.BAD_REQUEST, "The address is not valid.")
            host = b"[%s]" % host if b":" in host else host
            host = host if parsed.port is None else b"%s:%d" % (host, parsed.port)
            self.headers = [(name, value) for name, value in self.headers if name != b"host"] + [(b"host", host)]
            fields[b"host"] = host
            url = (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
        elif b"host" not in fields and self.parser.get_http_version() == "1.1":
            raise RefusedError(Problem.BAD_REQUEST, "The header Host is missing.")
        try:
            self._target = parse_target(url)
        except UnicodeDecodeError as error:
            raise RefusedError(Problem.BAD_REQUEST, "The address is not valid.") from error

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._pieces += 1
        size = len(self._body) + len(body)
        if size > self._body_bytes_max or self._pieces > PIECES_MAX + size // PIECE_BYTES:
            raise RefusedError(Problem.TOO_LARGE)
        if not self.shop.clients.take_body_bytes(len(body)):
            raise RefusedError(Problem.UNAVAILABLE)
        self._body += body

    def _take_body(self) -> bytes:
        """The body, which stays counted until its request is answered."""
        body = bytes(self._body)
        self._body.clear()
        return body

    def _drop_bodies(self) -> None:
        """Forget, and count no more, what was read for requests that will not be answered."""
        requests = [self._request, *self._waiting]
        kept = sum(len(request.body) for request in requests if isinstance(request, Request))
        self.shop.clients.take_body_bytes(-len(self._body) - kept)
        self._body.clear()
        self._waiting.clear()

    def on_message_complete(self) -> None:
        """The request is whole: serve it, or have it wait for its turn."""
        self.is_reading = False
        if self.is_last:
            return
        parser = self.parser
        keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        version = "1.1"
        if not keep_alive or b"connection" in self._fields:  # where it may be another one
            version = parser.get_http_version()
            if version not in ("1.0", "1.1"):
                raise RefusedError(Problem.BAD_REQUEST, "The request is not valid HTTP/1.1.")
            keep_alive = keep_alive and version == "1.1"
        self.is_last = not keep_alive
        self._at_once += 1
        if self._at_once > AT_ONCE_MAX:
            raise RefusedError(Problem.UNAVAILABLE, "Too many requests were sent at once on one connection.")
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
            raise RefusedError(Problem.UNAVAILABLE, "Too many requests were sent at once on one connection.")

    # --- Answering --------------------------------------------------------------------------------------------------

    def _serve(self, request: Request) -> None:
        self._request = request
        try:
            if request.target.call is not None:
                self.shop.gate.handle(request)
            elif (shared := self.shop.public.find(request)) is not None:
                self.respond(request, shared)
            else:
                self.forward(request)
        except Exception as error:  # noqa: BLE001 (it is logged, and answered)
            self.respond(request, error_response(error))

    def _serve_waiting(self) -> None:
        """Serve the requests that wait, until one is under way."""
        if self._is_serving:  # a request of this loop was answered at once
            return
        self._is_serving = True
        while self._waiting and self._request is None and not self.flow.write_paused:
            first = self._waiting.pop(0)
            if isinstance(first, Response):
                self._refuse(first)
            else:
                self._serve(first)
        self._is_serving = False
        if not self._waiting and not self.flow.write_paused and not self.transport.is_closing():
            self.flow.resume_reading()

    def respond(self, request: Request, response: Response) -> None:
        """Send the answer, if this request is the one that waits for it, and go on to the next one."""
        if request is not self._request or request.is_forwarded or self.transport.is_closing():
            return
        call = request.target.call
        self.shop.tally[call[0] if call is not None else "shared", response.status] += 1
        self._write(response, with_body=request.method != "HEAD", keep_alive=request.keep_alive)
        self._finished(request)

    def _finished(self, request: Request) -> None:
        """The request under way is answered: go on to the next one, or close after the last one."""
        self._request = None
        self.since = self.shop.clients.now
        if request.body:
            self.shop.clients.take_body_bytes(-len(request.body))
        if not request.keep_alive:
            self.transport.close()
        elif self._waiting:
            self._serve_waiting()
        elif self.is_last:
            self.transport.close()

    def _write(self, response: Response, *, with_body: bool, keep_alive: bool) -> None:
        body = response.body
        length = b"" if response.status == NOT_MODIFIED else b"content-length: %d\r\n" % len(body)
        last = b"" if keep_alive else b"connection: close\r\n"
        sent = body if with_body else b""
        self.transport.write(b"%sdate: %s\r\n%s%s\r\n%s" % (response.head, self.shop.clients.date, length, last, sent))

    def _refuse(self, response: Response) -> None:
        """Answer what cannot be taken, when its turn comes, and look at nothing more from this client.

        The client may still be sending. It gets an end of our side only, and `Clients` closes the connection a little
        later: closing with unread data resets it, and the answer might never be read.
        """
        self.is_last = True
        self.is_reading = False
        self.shop.clients.take_body_bytes(-len(self._body))
        self._body.clear()
        if self._request is not None or self._waiting:
            self._waiting.append(response)
        elif not self.transport.is_closing():
            self.since = self.shop.clients.now
            # Before the first byte of a target, the parser still has the method of the request before.
            is_head = bool(self.url) and self.parser.get_method() == b"HEAD"
            self._write(response, with_body=not is_head, keep_alive=False)
            self.transport.write_eof()

    # --- Django -----------------------------------------------------------------------------------------------------

    def forward(self, request: Request) -> None:
        """Have Django's ASGI application answer, through uvicorn's own cycle of a request and its response."""
        if request is not self._request or request.is_forwarded or self.transport.is_closing():
            return
        request.is_forwarded = True
        scope: HTTPScope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": request.http_version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "method": request.method,
            "root_path": self.root_path,
            "path": request.target.path,
            "raw_path": request.target.raw_path,
            "query_string": request.target.query,
            "headers": list(request.headers),  # an application may change them, and the request may come again
            "state": self.app_state.copy(),
        }
        self.cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=[(b"date", self.shop.clients.date)],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=request.keep_alive,
            on_response=self.on_response_complete,
        )
        self.cycle.body += request.body
        self.cycle.more_body = False
        self.cycle.message_event.set()
        self._start_asgi_task(self.cycle, self.app)

    def on_response_complete(self) -> None:
        """Called by the cycle when Django's answer is written; it has closed the connection if that was due."""
        if self._request is not None:
            self._finished(self._request)


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    """Bytes of all names and values."""
    return sum(len(name) + len(value) for name, value in headers)
