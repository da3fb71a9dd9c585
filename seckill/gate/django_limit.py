"""Django limit: bounds how many requests Django handles at once, and how many may wait.

Django runs the Python code of an ASGI request on a thread. By default it starts a thread for every request, each thread
takes a database connection, and all compete with the gate for the interpreter. Here a request first gets one of a fixed
number of threads, in the order of arrival. It keeps the thread until the thread's last step is done, even if the client
has disconnected, because Python can't stop a thread. So there are never more threads and connections than the limits
allow.

`Reader` bounds the size of request bodies.
"""

import asyncio
from concurrent.futures import Executor, ThreadPoolExecutor
from http import HTTPStatus

from asgiref.sync import ThreadSensitiveContext
from django.conf import settings
from django.db import close_old_connections
from prometheus_client import Counter, Gauge

from seckill.errors.problems import MEDIA_TYPE, Problem
from seckill.errors.unavailable_page import CONTENT_TYPE, PAGE, RETRY_SECONDS, SECURITY_POLICY, prefers_html
from seckill.gate.asgi import RENEWAL, AsgiApplication, Message, Receive, Scope, Send

#: Health checks and metrics have a thread each, so that a crowd can't make the shop look dead.
HEALTH_PATHS = ("/healthz", "/readyz", "/metrics")
HEALTH_WAITING_MAX = 10  # for each path; far more than are ever sent at once
#: Renewing cached responses has a thread, too, so that a flood of other requests can't make the sale page expire.
RENEWALS_WAITING_MAX = 256  # as many as the response cache can hold
#: Each POST here hashes a password, one at a time on a host, which takes as long as dozens of pages. Logins wait in a
#: queue of their own, where refusing them costs little.
PASSWORDS = ("/api/auth/login", "/api/auth/register", "/admin/login/")
RESPONSE_BYTES_HELD_MAX = 4 * 1024 * 1024  # more than the largest static file; only exports are larger
READ_SECONDS_MAX = 10.0  # for a client to read the next 64 KiB of a response

REQUESTS = Gauge(
    "seckill_django_requests", "Requests being handled by Django, or waiting for it", ["state"],
    multiprocess_mode="livesum",
)  # fmt: skip
INSIDE = REQUESTS.labels("inside")
WAITING = REQUESTS.labels("waiting")
REFUSED = Counter("seckill_django_refused", "Requests refused with 503 before they reached Django", ["reason"])
for _reason in ("full", "late"):  # Prometheus needs a first value to compute a rate
    REFUSED.labels(_reason)
UNREAD = Counter("seckill_django_responses_unread", "Responses dropped because their client did not read them")


class NoThreadError(Exception):
    """The request does not get a thread: too many wait (``full``), or it has waited too long (``late``)."""


class ClientDisconnectedError(Exception):
    """The client disconnected before its request got a thread."""


class BufferedRequest:
    """The body of a request, and whether its client is still connected."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._body: Message | None = None
        self._left: asyncio.Future[Message] | None = None

    async def read_body(self) -> None:
        """Read the whole body, so that a slow client does not hold a thread.

        Raises:
            ClientDisconnectedError: the client disconnected.
        """
        body = bytearray()
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnectedError
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self._body = {"type": "http.request", "body": bytes(body), "more_body": False}

    @property
    def left(self) -> "asyncio.Future[Message]":
        """A future that is done when the client has disconnected."""
        if self._left is None:
            self._left = asyncio.ensure_future(self._receive())
        return self._left

    async def receive(self) -> Message:
        """Return the body as the first message, then wait for the disconnect (ASGI receive)."""
        body, self._body = self._body, None
        return body if body is not None else await self.left

    def forget(self) -> None:
        """Stop waiting for the disconnect."""
        if self._left is not None:
            self._left.cancel()


class BufferedResponse:
    """Buffers Django's response until Django is done, so that a slow client does not hold a thread.

    A response larger than `RESPONSE_BYTES_HELD_MAX` is sent as fast as the client reads it. It is dropped if the client
    stops reading.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: list[Message] = []
        self._held_bytes = 0
        self._is_unread = False

    async def hold(self, message: Message) -> None:
        """Buffer a message from Django (ASGI send).

        Raises:
            asyncio.CancelledError: the client does not read. Django then closes the request properly.
        """
        self._held.append(message)
        self._held_bytes += len(message.get("body", b""))
        if self._held_bytes > RESPONSE_BYTES_HELD_MAX:
            await self.forward()
            if self._is_unread:
                raise asyncio.CancelledError

    async def forward(self) -> None:
        """Send the buffered messages. Stop if the client does not read: the server then closes the connection."""
        held, self._held, self._held_bytes = self._held, [], 0
        for message in held:
            if self._is_unread:
                return
            try:
                async with asyncio.timeout(READ_SECONDS_MAX):
                    await self._send(message)
            except TimeoutError:
                self._is_unread = True
                UNREAD.inc()


class ConcurrencyLimit:
    """A fixed number of threads, and the queue of requests that wait for one (first come, first served)."""

    def __init__(self, name: str, *, threads: int, waiting_max: int) -> None:
        self._free: list[Executor] = [
            ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"django-{name}-{number}") for number in range(threads)
        ]
        self._waiting: dict[asyncio.Future[Executor], None] = {}  # in order; a dict, because any may leave
        self._waiting_max = waiting_max

    async def enter(self, request: BufferedRequest) -> Executor:
        """Return a thread for a request, after waiting for one. Give it back with `leave`.

        Raises:
            NoThreadError: too many requests wait, or this one waited too long.
            ClientDisconnectedError: the client disconnected meanwhile.
        """
        thread = self._free.pop() if self._free else await self._wait(request)
        INSIDE.inc()
        return thread

    async def _wait(self, request: BufferedRequest) -> Executor:
        if len(self._waiting) >= self._waiting_max:
            raise NoThreadError("full")
        turn: asyncio.Future[Executor] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        WAITING.inc()
        is_served = False
        try:
            await asyncio.wait(
                (turn, request.left), timeout=settings.DJANGO_WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            is_served = turn.done() and not request.left.done()
        finally:
            WAITING.dec()
            self._waiting.pop(turn, None)
            if turn.done() and not is_served:
                self._give(turn.result())
        if is_served:
            return turn.result()
        raise ClientDisconnectedError if request.left.done() else NoThreadError("late")

    def leave(self, thread: Executor) -> None:
        """Give a thread back. It becomes free after its last steps of the request."""
        loop = asyncio.get_running_loop()

        def end() -> None:
            close_old_connections()  # a cancelled request may still hold one
            loop.call_soon_threadsafe(self._freed, thread)

        thread.submit(end)

    def _freed(self, thread: Executor) -> None:
        INSIDE.dec()
        self._give(thread)

    def _give(self, thread: Executor) -> None:
        if not self._waiting:
            self._free.append(thread)
            return
        turn = next(iter(self._waiting))
        del self._waiting[turn]
        turn.set_result(thread)


class DjangoLimit:
    """ASGI middleware that limits Django's concurrency, separately for each kind of request."""

    def __init__(self, django: AsgiApplication) -> None:
        self._django = django
        self._probes = {
            path: ConcurrencyLimit(path[1:], threads=1, waiting_max=HEALTH_WAITING_MAX) for path in HEALTH_PATHS
        }
        self._renewals = ConcurrencyLimit("renewals", threads=1, waiting_max=RENEWALS_WAITING_MAX)
        self._passwords = ConcurrencyLimit("passwords", threads=1, waiting_max=settings.PASSWORD_WAITING_MAX)
        self._others = ConcurrencyLimit(
            "others", threads=settings.DJANGO_THREADS, waiting_max=settings.DJANGO_WAITING_MAX
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an HTTP request."""
        lane = self._limit_for(scope)
        request = BufferedRequest(receive)
        response = BufferedResponse(send)
        try:
            await request.read_body()
            thread = await lane.enter(request)
            try:
                async with ThreadSensitiveContext(executor=thread):
                    await self._django(scope, request.receive, response.hold)
            finally:
                lane.leave(thread)
        except ClientDisconnectedError:
            return
        except NoThreadError as refusal:
            REFUSED.labels(str(refusal)).inc()
            await _refuse(scope, send)
            return
        finally:
            request.forget()
        await response.forward()

    def _limit_for(self, scope: Scope) -> ConcurrencyLimit:
        if RENEWAL in scope:
            return self._renewals
        if scope["method"] == "POST" and scope["path"] in PASSWORDS:
            return self._passwords
        return self._probes.get(scope["path"], self._others)


async def _refuse(scope: Scope, send: Send) -> None:
    """Respond 503, with a page for browsers and a problem document for programs."""
    accept: bytes = dict(scope["headers"]).get(b"accept", b"")
    headers = [(b"retry-after", b"%d" % RETRY_SECONDS), (b"cache-control", b"no-store")]
    if prefers_html(scope["path"], accept.decode("latin-1")):
        body = PAGE
        headers += [(b"content-type", CONTENT_TYPE.encode()), (b"content-security-policy", SECURITY_POLICY.encode())]
    else:
        body = Problem.UNAVAILABLE.body()
        headers += [(b"content-type", MEDIA_TYPE.encode())]
    headers += [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": HTTPStatus.SERVICE_UNAVAILABLE.value, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
