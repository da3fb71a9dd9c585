"""Response cache: shares Django's public responses between clients for a second at most.

Django needs milliseconds for a response. However many clients request a path, a process asks Django at most five times
a second for each of its variants (language and the other headers in ``Vary``). For `FRESH_SECONDS` the response is
shared without asking; for `STALE_SECONDS` more it is still sent while one request fetches the new one. Only responses
with ``Cache-Control: public`` are cached.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from http import HTTPStatus
from time import monotonic
from typing import TypeVar

import structlog
from django.http import HttpRequest
from django.utils.translation import get_language_from_request

from seckill import conf
from seckill.gate.asgi import RENEWAL, AsgiApplication, Message, Receive, Scope, Send
from seckill.gate.metrics import CACHE_HIT, RESPONSE_CACHE
from seckill.gate.request import Request
from seckill.gate.response import Header, Response, head

log = structlog.get_logger(__name__)

FRESH_SECONDS = conf.RESPONSE_FRESH_SECONDS
# A first visit loads thirty modules at once. Their names change with their content, so a cached one is never outdated.
IMMUTABLE_FRESH_SECONDS = 60.0
# When a response is no longer fresh, one request to Django renews it, and clients get the stale one for so long. So no
# response but an immutable one is older than a second, counted from the request to Django.
STALE_SECONDS = conf.RESPONSE_STALE_SECONDS
BODY_BYTES_MAX = 256 * 1024
RESPONSES_MAX = 256  # least recently used evicted first; with BODY_BYTES_MAX, 64 MiB at most
PATHS_MAX = 1024

# A response that varies on any other header isn't cached.
SUPPORTED_VARY = (b"accept", b"accept-encoding", b"accept-language", b"origin")
# A request with one of these asks for a part or a personal response, or has a body that must be read.
UNCACHEABLE_REQUEST_HEADERS = frozenset(
    b"authorization range if-range content-length transfer-encoding"
    b" if-match if-modified-since if-unmodified-since".split()
)
# The headers of a renewal: those of the first client's request, without its cookies.
RENEWAL_HEADERS = frozenset((b"host", b"x-forwarded-proto", *SUPPORTED_VARY))
NOT_MODIFIED_HEADERS = (b"cache-control", b"content-location", b"etag", b"expires", b"vary")  # RFC 9110, 15.4.5
UNCACHEABLE_DIRECTIVES = frozenset((b"private", b"no-store", b"no-cache"))

HIT = RESPONSE_CACHE.labels(CACHE_HIT)
MISS = RESPONSE_CACHE.labels("miss")

Headers = Mapping[bytes, bytes]  # of a request; names in lower case, as in ASGI
Key = tuple[object, ...]
Name = TypeVar("Name")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How a response may be cached."""

    fresh_seconds: float
    vary: frozenset[bytes]  #: names of request headers, in lower case
    length: int  #: bytes of the body

    @classmethod
    def of(cls, start: Message) -> "CachePolicy | None":
        """Return the policy of a response from its first ASGI message, or None if it must not be cached."""
        headers: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for name, value in start["headers"]:
            headers[name.lower()].append(value)
        directives = dict(part.partition(b"=")[::2] for part in _split_header(headers[b"cache-control"]))
        max_age = directives.get(b"max-age", b"")
        length = b",".join(headers[b"content-length"])  # without it, the response may be an endless stream
        vary = frozenset(_split_header(headers[b"vary"]))
        if (
            start["status"] != HTTPStatus.OK
            or b"set-cookie" in headers
            or b"public" not in directives
            or not UNCACHEABLE_DIRECTIVES.isdisjoint(directives)
            or not (max_age.isdigit() and int(max_age) > 0)
            or not (length.isdigit() and int(length) <= BODY_BYTES_MAX)
            or not vary.issubset(SUPPORTED_VARY)
        ):
            return None
        fresh_seconds = IMMUTABLE_FRESH_SECONDS if b"immutable" in directives else FRESH_SECONDS
        return cls(min(fresh_seconds, int(max_age)), vary, int(length))


class CachedResponse:
    """A response of Django that is shared between clients."""

    def __init__(self, scope: Scope, start: Message, body: bytes, terms: CachePolicy, requested_at: float) -> None:
        self.scope = _shared_scope(scope)  #: of the request, used to renew the response
        self.vary = terms.vary
        self._fresh_seconds = terms.fresh_seconds
        self._requested_at = requested_at  # Django may have read the content that early
        self._body = body
        self._upstream_age: int | None = None  #: seconds, from the header Age of Django's response
        headers: list[Header] = []
        for name, value in ((name.lower(), value) for name, value in start["headers"]):
            if name == b"age" and value.isdigit():
                self._upstream_age = int(value)
            elif name == b"x-cache":
                headers.append((name, b"hit"))  # a client of the cached response did not cause a miss
            elif name != b"content-length":  # the connection adds it
                headers.append((name, value))
        self.etag = dict(headers).get(b"etag", b"")
        if not self.etag:
            self.etag = b'"%s"' % blake2b(body, digest_size=12).hexdigest().encode()
            headers.append((b"etag", self.etag))
        self._head = head(HTTPStatus.OK, *headers)
        self._unchanged_head = head(
            HTTPStatus.NOT_MODIFIED, *(pair for pair in headers if pair[0] in NOT_MODIFIED_HEADERS)
        )
        self._aged = -1  #: seconds; the age in the two responses below
        self._whole = self._unchanged = Response(0, b"", b"")

    def seconds_past_ttl(self, now: float) -> float:
        """Return for how many seconds the response has been stale; below 0 while it is fresh."""
        return now - self._requested_at - self._fresh_seconds

    def to_response(self, if_none_match: bytes, now: float) -> Response:
        """Return the response with its present age, or a 304 if the header If-None-Match names its ETag."""
        seconds = int(now - self._requested_at)
        if seconds != self._aged:
            age = (self._upstream_age or 0) + seconds
            line = b"age: %d\r\n" % age if age or self._upstream_age is not None else b""
            self._whole = Response(HTTPStatus.OK, self._head + line, self._body)
            self._unchanged = Response(HTTPStatus.NOT_MODIFIED, self._unchanged_head + line, b"")
            self._aged = seconds
        return self._unchanged if if_none_match and _matches(if_none_match, self.etag) else self._whole


class ResponseRecorder:
    """ASGI send wrapper that records a cacheable response while forwarding it.

    It calls ``on_complete`` at most once: with the complete response, or with None if it must not be cached. The call
    comes before the response is sent, so that a slow client does not delay others.
    """

    def __init__(
        self, scope: Scope, send: Send, on_complete: Callable[[CachedResponse | None], None], if_none_match: bytes = b""
    ) -> None:
        """``if_none_match`` is the value of the client's header If-None-Match."""
        self._scope = scope
        self._if_none_match = if_none_match
        self._send = send
        self._on_complete = on_complete
        self._requested_at = monotonic()
        self._start: Message = {}
        self._policy: CachePolicy | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        """Forward an ASGI message. Messages of a cacheable response are held until it is complete."""
        if message["type"] == "http.response.start":
            self._start = message
            self._policy = CachePolicy.of(message)
            if self._policy is None:
                self._on_complete(None)
                await self._send(message)
            return
        if self._policy is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        whole = len(self._body) == self._policy.length
        response = (
            CachedResponse(self._scope, self._start, self._body, self._policy, self._requested_at) if whole else None
        )
        self._on_complete(response)
        if response is not None and _matches(self._if_none_match, response.etag):
            await _send(response.to_response(self._if_none_match, monotonic()), self._send)
            return
        start = dict(self._start)
        if response is not None and not any(name.lower() == b"etag" for name, _ in start["headers"]):
            start["headers"] = [*start["headers"], (b"etag", response.etag)]
        await self._send(start)
        await self._send({"type": "http.response.body", "body": self._body})


class ResponseCache:
    """Caches Django's public responses. It is ASGI middleware that stores them; `Connection` looks them up with `find`.

    While a request is being fetched from Django, requests with the same key wait for its response (single flight). If
    the response can't be shared, each of them is forwarded to Django.
    """

    def __init__(self, django: AsgiApplication) -> None:
        self._django = django
        self._answers: OrderedDict[Key, CachedResponse] = OrderedDict()
        self._in_flight: dict[Key, asyncio.Future[CachedResponse | None]] = {}
        self._renewing: dict[Key, asyncio.Task[None]] = {}
        # By path: the headers that its public responses vary on, in SUPPORTED_VARY's order; None if there were none.
        self._vary: OrderedDict[str, tuple[bytes, ...] | None] = OrderedDict()

    def find(self, request: Request) -> Response | None:
        """Return the cached response to a request, or None if the request has to go to Django.

        A response that has been stale for less than `STALE_SECONDS` is returned, and renewed in the background.
        """
        vary = self._vary.get(request.target.path)
        if vary is None:
            return None
        if request.shared_key is None or request.shared_vary != vary:
            request.shared_key, request.shared_vary = _key_of(request, vary), vary
        key = request.shared_key
        response = self._answers.get(key)
        if response is None:
            return None
        now = monotonic()
        stale = response.seconds_past_ttl(now)
        if stale >= 0:
            if stale >= STALE_SECONDS:
                return None
            if key not in self._renewing and key not in self._in_flight:
                self._renewing[key] = asyncio.create_task(self._renew(key, response.scope))
        self._answers.move_to_end(key)
        return response.to_response(request.fields.get(b"if-none-match", b""), now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request that `find` has no response for: fetch one to share, or forward the request."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if scope["type"] != "http" or not is_cacheable_request(
            scope["method"], scope["query_string"], scope["headers"], headers
        ):
            await self._forward(scope, receive, send)
            return
        vary = self._vary.get(scope["path"], SUPPORTED_VARY)
        if vary is None:  # no public response so far: requests don't wait for each other
            on_complete = partial(self._store, scope, headers)
            await self._forward(
                scope, receive, ResponseRecorder(scope, send, on_complete) if scope["method"] == "GET" else send
            )
            return
        key = _key(scope["path"], headers, vary)
        if scope["method"] == "HEAD":
            await self._forward(scope, receive, send)
        elif key not in self._in_flight:
            await self._fetch_shared(key, vary, scope, headers, send)
        else:
            response = await asyncio.shield(self._in_flight[key])  # cancelling one request must not cancel the others
            if response is None:
                await self._forward(scope, receive, send)
            else:
                HIT.inc()
                await _send(response.to_response(headers.get(b"if-none-match", b""), monotonic()), send)

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        MISS.inc()
        await self._django(scope, receive, send)

    async def _fetch_shared(
        self, key: Key, vary: tuple[bytes, ...], scope: Scope, headers: Headers, send: Send
    ) -> None:
        asking: asyncio.Future[CachedResponse | None] = asyncio.get_running_loop().create_future()
        self._in_flight[key] = asking

        def resolve(response: CachedResponse | None) -> None:
            if not asking.done():
                asking.set_result(response)
                del self._in_flight[key]  # always this future: there is one fetch per key

        def on_complete(response: CachedResponse | None) -> None:
            self._store(scope, headers, response)
            # The waiting requests agree on ``vary``. A response that varies on more headers may be wrong for them.
            resolve(response if response is not None and response.vary.issubset(vary) else None)

        whole = _unconditional(scope)
        if key in self._answers:
            whole[RENEWAL] = True
        copy = ResponseRecorder(whole, send, on_complete, headers.get(b"if-none-match", b""))
        try:
            await self._forward(whole, _never_disconnects(), copy)
        finally:
            resolve(None)

    async def _renew(self, key: Key, scope: Scope) -> None:
        """Fetch a stale response again. Clients get the stale one meanwhile."""
        try:
            if key in self._in_flight:  # a request that found it too stale fetches it already
                return
            await self._fetch_shared(
                key, self._vary.get(scope["path"]) or SUPPORTED_VARY, scope, dict(scope["headers"]), _drop
            )
        except Exception:
            # Requests go to Django as soon as the response is too stale.
            log.exception("cached_response_not_renewed", path=scope["path"])
        finally:
            del self._renewing[key]

    def _store(self, scope: Scope, headers: Headers, response: CachedResponse | None) -> None:
        known = self._vary.get(scope["path"])
        if response is None:
            _lru_put(self._vary, scope["path"], known, PATHS_MAX)  # one bad response doesn't make a path uncacheable
            return
        vary = tuple(name for name in SUPPORTED_VARY if name in response.vary or name in (known or ()))
        _lru_put(self._vary, scope["path"], vary, PATHS_MAX)
        _lru_put(self._answers, _key(scope["path"], headers, vary), response, RESPONSES_MAX)


def is_cacheable_request(method: str, query: bytes, headers: Sequence[Header], fields: Headers) -> bool:
    """Whether a request may get a cached response. ``fields`` are its headers by name."""
    return (
        method in ("GET", "HEAD")
        and not query
        and b"host" in fields
        and len(fields) == len(headers)  # parsers disagree about repeated headers
        and UNCACHEABLE_REQUEST_HEADERS.isdisjoint(fields)
    )


def _key_of(request: Request, vary: tuple[bytes, ...]) -> Key:
    """Return the cache key of a request; () if it must not get a cached response."""
    plain = is_cacheable_request(request.method, request.target.query, request.headers, request.fields)
    return _key(request.target.path, request.fields, vary) if plain else ()


def _key(path: str, fields: Headers, vary: Iterable[bytes]) -> Key:
    """Return a cache key. Requests with the same key may share a response."""
    return (
        path,
        fields[b"host"],
        fields.get(b"x-forwarded-proto"),
        *(_language(fields.get(name, b"")) if name == b"accept-language" else fields.get(name) for name in vary),
        len(tuple(vary)),
    )


@lru_cache(maxsize=256)
def _language(accept_language: bytes) -> str:
    """Return the language Django responds in. Browsers have hundreds of Accept-Language values for a few languages."""
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = accept_language.decode("latin-1")
    return get_language_from_request(request)


def _matches(if_none_match: bytes, etag: bytes) -> bool:
    """Whether If-None-Match names this ETag, by the weak comparison of RFC 9110, 13.1.2."""
    if if_none_match.strip() == b"*":
        return True
    return etag.removeprefix(b"W/") in [part.strip().removeprefix(b"W/") for part in if_none_match.split(b",")]


def _unconditional(scope: Scope) -> Scope:
    """Return the scope without If-None-Match: a response to cache must not be a 304."""
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"if-none-match"]}


def _shared_scope(scope: Scope) -> Scope:
    """Return the scope with only those headers that all clients of the response share."""
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] in RENEWAL_HEADERS]}


async def _send(response: Response, send: Send) -> None:
    """Send a response as ASGI messages."""
    lines = response.head.split(b"\r\n")[1:-1]
    headers = [tuple(line.split(b": ", 1)) for line in lines]
    if response.status != HTTPStatus.NOT_MODIFIED:
        headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": int(response.status), "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _drop(message: Message) -> None:
    """Discard a message (ASGI send): a renewal has no client."""


def _never_disconnects() -> Receive:
    """Return an ASGI receive with an empty body and no disconnect, so that its client can't cancel a shared fetch."""
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        another: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await another  # never done

    return receive


def _split_header(values: list[bytes]) -> list[bytes]:
    """Return the comma-separated parts of a header, in lower case."""
    return [part for part in (part.strip() for part in b",".join(values).lower().split(b",")) if part]


def _lru_put(kept: OrderedDict[Name, Value], name: Name, value: Value, most: int) -> None:
    """Set an entry as the newest, and evict the oldest one if there are more than ``most``."""
    kept[name] = value
    kept.move_to_end(name)
    if len(kept) > most:
        kept.popitem(last=False)
