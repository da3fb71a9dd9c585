"""Protocol: the HTTP connection of a client. It serves the gate's routes itself, and forwards the rest to Django.

`Reader` reads the requests. A connection serves one request at a time, and later ones wait, so responses are always in
order. uvicorn does the rest: the socket, its flow control, and running Django's ASGI application.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from seckill.errors.problems import Problem
from seckill.gate.deferred import error_response
from seckill.gate.metrics import CACHE_HIT
from seckill.gate.reader import Reader
from seckill.gate.request import Request
from seckill.gate.response import Response, problem_response

NOT_MODIFIED = 304  # such a response has no body and no Content-Length


class Connection(Reader):
    """Serves requests, and writes their responses in order."""

    # --- The connection ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Accept the connection, or respond 503 if too many are open."""
        super().connection_made(transport)
        if not self.shop.clients.add(self):
            self._refuse(problem_response(Problem.UNAVAILABLE))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the requests that wait. Work that has begun in the line or in Django continues."""
        self.shop.clients.discard(self)
        self._drop_bodies()
        self._request = self._last = None
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Called when the client does not read its responses. It is not served until it does."""
        super().pause_writing()
        self.paused_since = self.shop.clients.now
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """Called when the client has read most of its responses."""
        super().resume_writing()
        self.paused_since = None
        self._serve_waiting()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn returns nothing, which closes
        """Called when the client closes its side. Return True to keep the connection open for a response of the gate.

        A client that waits for Django counts as disconnected, which frees its place for other requests.
        """
        self.is_last = True
        request = self._request
        return request is not None and request.target.route is not None and not request.is_forwarded

    def shutdown(self) -> None:
        """Called when the process shuts down: finish the present request, then close."""
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
        """Close the connection after sending what was written."""
        self.since = self.shop.clients.now
        self.transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    @property
    def is_closing(self) -> bool:
        """Whether the connection closes as soon as the client has read everything."""
        return self.transport.is_closing()

    @property
    def is_answering(self) -> bool:
        """Whether a request waits for its response."""
        return self._request is not None

    # --- Responding -------------------------------------------------------------------------------------------------

    def _serve(self, request: Request) -> None:
        self._request = request
        try:
            if request.target.route is not None:
                self.shop.gate.handle(request)
            elif (shared := self.shop.public.find(request)) is not None:
                self.respond(request, shared)
            else:
                self.forward(request)
        except Exception as error:  # noqa: BLE001 (`error_response` logs it)
            self.respond(request, error_response(error))

    def _serve_waiting(self) -> None:
        """Serve the queued requests until one does not get its response at once."""
        if self._is_serving:  # called from the loop below, by a request that got its response at once
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
        """Send the response if this request is the one being served, then serve the next one."""
        if request is not self._request or request.is_forwarded or self.transport.is_closing():
            return
        call = request.target.route
        self.shop.tally[call[0] if call is not None else CACHE_HIT, response.status] += 1
        self._write(response, with_body=request.method != "HEAD", keep_alive=request.keep_alive)
        self._finished(request)

    def _finished(self, request: Request) -> None:
        """Serve the next request after a response, or close after the last one."""
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
        """Refuse a request: send ``response`` in its turn, and ignore further bytes from the client.

        The client may still be sending. Closing a connection with unread data resets it, and the client might never see
        the response. So only our side is closed here, and `Clients` closes the connection a little later.
        """
        self.is_last = True
        self.is_reading = False
        self.shop.clients.take_body_bytes(-len(self._body))
        self._body.clear()
        if self._request is not None or self._waiting:
            self._waiting.append(response)
        elif not self.transport.is_closing():
            self.since = self.shop.clients.now
            # Before the first byte of the target, the parser still has the previous request's method.
            is_head = bool(self.url) and self.parser.get_method() == b"HEAD"
            self._write(response, with_body=not is_head, keep_alive=False)
            self.transport.write_eof()

    # --- Django -----------------------------------------------------------------------------------------------------

    def forward(self, request: Request) -> None:
        """Have Django's ASGI application respond, through uvicorn's `RequestResponseCycle`."""
        if request is not self._request or request.is_forwarded or self.transport.is_closing():
            return
        request.is_forwarded = True
        self.cycle = RequestResponseCycle(
            scope={
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
                "headers": list(request.headers),  # a copy: Django may change it, and the client may repeat the request
                "state": self.app_state.copy(),
            },
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
        """Called by the cycle when Django's response is written. The cycle closes the connection if needed."""
        if self._request is not None:
            self._finished(self._request)
