"""Public answers: what Django tells everybody alike is asked for once and shared, for a fifth of a second.

Django needs milliseconds for an answer. Under a crowd it is asked at most five times a second for one address, in each
language and each other form that ``Vary`` names, however many people want it. What may be shared says so itself, by
``Cache-Control: public``; nothing else is.
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

from seckill.gate.asgi import RENEWAL, AsgiApplication, Message, Receive, Scope, Send
from seckill.gate.metrics import RESPONSE_CACHE
from seckill.gate.request import Request
from seckill.gate.response import Header, Response, head

log = structlog.get_logger(__name__)

FRESH_SECONDS = 0.2  # next to nothing beside the five seconds that the banners may lag behind the database
# A first visit loads thirty modules at once. Their names change with their content, so an old answer is a right one.
IMMUTABLE_FRESH_SECONDS = 60.0
# When an answer is no longer fresh, one request asks Django again, and the others get what is there for so long. So no
# answer is older than a second, counted from when Django was asked.
STALE_SECONDS = 0.75
BODY_BYTES_MAX = 256 * 1024
RESPONSES_MAX = 256  # the one used longest ago goes; with BODY_BYTES_MAX, 64 MiB at the very worst
PATHS_MAX = 1024

SUPPORTED_VARY = (
    b"accept",
    b"accept-encoding",
    b"accept-language",
    b"origin",
)  # what varies on anything else isn't shared
# Who sends one of these wants a part, or something for themselves, or has sent a body that must be read.
UNCACHEABLE_REQUEST_HEADERS = frozenset(
    (
        *(b"authorization", b"range", b"if-range", b"content-length", b"transfer-encoding"),
        *(b"if-match", b"if-modified-since", b"if-unmodified-since"),
    )
)
CONDITIONAL_HEADERS = frozenset(
    (b"host", b"x-forwarded-proto", *SUPPORTED_VARY)
)  # not with the first visitor's cookies
NOT_MODIFIED_HEADERS = (b"cache-control", b"content-location", b"etag", b"expires", b"vary")  # RFC 9110, 15.4.5
UNCACHEABLE_DIRECTIVES = frozenset((b"private", b"no-store", b"no-cache"))

HIT = RESPONSE_CACHE.labels("shared")
MISS = RESPONSE_CACHE.labels("asked")

Headers = Mapping[bytes, bytes]  # of a request: names in small letters, as ASGI has them
Key = tuple[object, ...]
Name = TypeVar("Name")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """On what terms an answer may be shared."""

    fresh_seconds: float
    vary: frozenset[bytes]  #: names of request headers, in small letters
    length: int  #: of the body, bytes

    @classmethod
    def of(cls, start: Message) -> "CachePolicy | None":
        """The terms in the start of an ASGI response; None if it isn't for everybody."""
        headers: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for name, value in start["headers"]:
            headers[name.lower()].append(value)
        directives = dict(part.partition(b"=")[::2] for part in _split_header(headers[b"cache-control"]))
        max_age = directives.get(b"max-age", b"")
        length = b",".join(headers[b"content-length"])  # without it, this may be a stream that never ends
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
    """An answer that Django gave to one, to be given to others."""

    def __init__(self, scope: Scope, start: Message, body: bytes, terms: CachePolicy, requested_at: float) -> None:
        self.scope = _impersonal(scope)  #: of the request that it answered, to ask again with
        self.vary = terms.vary
        self._fresh_seconds = terms.fresh_seconds
        self._asked_at = requested_at  # Django may have read its content as early as that
        self._body = body
        self._age_before: int | None = None  #: seconds, if Django told them
        headers: list[Header] = []
        for name, value in ((name.lower(), value) for name, value in start["headers"]):
            if name == b"age" and value.isdigit():
                self._age_before = int(value)
            elif name == b"x-cache":
                headers.append((name, b"hit"))  # who gets it from here did not cause it to be built
            elif name != b"content-length":  # the connection says it
                headers.append((name, value))
        self.etag = dict(headers).get(b"etag", b"")
        if not self.etag:
            self.etag = b'"%s"' % blake2b(body, digest_size=12).hexdigest().encode()
            headers.append((b"etag", self.etag))
        self._head = head(HTTPStatus.OK, *headers)
        self._unchanged_head = head(
            HTTPStatus.NOT_MODIFIED, *(pair for pair in headers if pair[0] in NOT_MODIFIED_HEADERS)
        )
        self._aged = -1  #: seconds; the age that the two answers below tell
        self._whole = self._unchanged = Response(0, b"", b"")

    def seconds_past_ttl(self, now: float) -> float:
        """For how long it has not been fresh any more; below 0 while it is."""
        return now - self._asked_at - self._fresh_seconds

    def to_response(self, if_none_match: bytes, now: float) -> Response:
        """What Django sent, with its present age; 304 for who has it already, by the value of If-None-Match."""
        seconds = int(now - self._asked_at)
        if seconds != self._aged:
            age = (self._age_before or 0) + seconds
            line = b"age: %d\r\n" % age if age or self._age_before is not None else b""
            self._whole = Response(HTTPStatus.OK, self._head + line, self._body)
            self._unchanged = Response(HTTPStatus.NOT_MODIFIED, self._unchanged_head + line, b"")
            self._aged = seconds
        return self._unchanged if if_none_match and _matches(if_none_match, self.etag) else self._whole


class ResponseRecorder:
    """The way from Django to one client; ``heard`` is told once what public answer went by, or None.

    A public answer is heard when it is whole and before it is sent: a client that reads slowly holds nobody else up.
    """

    def __init__(
        self, scope: Scope, send: Send, on_complete: Callable[[CachedResponse | None], None], if_none_match: bytes = b""
    ) -> None:
        """``if_none_match`` is what the client has already, as it said in that header."""
        self._scope = scope
        self._if_none_match = if_none_match
        self._send = send
        self._heard = on_complete
        self._asked_at = monotonic()
        self._start: Message = {}
        self._terms: CachePolicy | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        """Take one ASGI message; it is sent on at once, unless it belongs to a public answer that isn't whole yet."""
        if message["type"] == "http.response.start":
            self._start = message
            self._terms = CachePolicy.of(message)
            if self._terms is None:
                self._heard(None)
                await self._send(message)
            return
        if self._terms is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        whole = len(self._body) == self._terms.length
        response = CachedResponse(self._scope, self._start, self._body, self._terms, self._asked_at) if whole else None
        self._heard(response)
        if response is not None and _matches(self._if_none_match, response.etag):
            await _send(response.to_response(self._if_none_match, monotonic()), self._send)
            return
        start = dict(self._start)
        if response is not None and not any(name.lower() == b"etag" for name, _ in start["headers"]):
            start["headers"] = [*start["headers"], (b"etag", response.etag)]
        await self._send(start)
        await self._send({"type": "http.response.body", "body": self._body})


class ResponseCache:
    """Django's public answers for the connections, and an ASGI application in front of Django that collects them.

    While one request is asking, others for the same wait for its answer. If it comes to nothing, each asks for itself.
    """

    def __init__(self, django: AsgiApplication) -> None:
        self._django = django
        self._answers: OrderedDict[Key, CachedResponse] = OrderedDict()
        self._asking: dict[Key, asyncio.Future[CachedResponse | None]] = {}
        self._renewing: dict[Key, asyncio.Task[None]] = {}
        # By path, what its public answers vary on, in VARY_ON's order; None where there have only been others.
        self._vary: OrderedDict[str, tuple[bytes, ...] | None] = OrderedDict()

    def find(self, request: Request) -> Response | None:
        """The answer to a request, if it is here: fresh, or stale for less than `STALE_SECONDS` while Django is asked.

        None when the request has to go to Django.
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
            if key not in self._renewing and key not in self._asking:
                self._renewing[key] = asyncio.create_task(self._renew(key, response.scope))
        self._answers.move_to_end(key)
        return response.to_response(request.fields.get(b"if-none-match", b""), now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask Django, for one or for all; only for requests that `find` does not know an answer to."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if scope["type"] != "http" or not is_cacheable_request(
            scope["method"], scope["query_string"], scope["headers"], headers
        ):
            await self._forward(scope, receive, send)
            return
        vary = self._vary.get(scope["path"], SUPPORTED_VARY)
        if vary is None:  # personal, as far as is known: nobody waits for anybody
            on_complete = partial(self._store, scope, headers)
            await self._forward(
                scope, receive, ResponseRecorder(scope, send, on_complete) if scope["method"] == "GET" else send
            )
            return
        key = _key(scope["path"], headers, vary)
        if scope["method"] == "HEAD":
            await self._forward(scope, receive, send)
        elif key not in self._asking:
            await self._fetch_shared(key, vary, scope, headers, send)
        else:
            response = await asyncio.shield(self._asking[key])  # one who gives up leaves the others alone
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
        self._asking[key] = asking

        def resolve(response: CachedResponse | None) -> None:
            if not asking.done():
                asking.set_result(response)
                del self._asking[key]  # its own: while somebody asks for a key, nobody else does

        def on_complete(response: CachedResponse | None) -> None:
            self._store(scope, headers, response)
            # Those who wait are alike in ``vary``. If this answer varies on more it isn't theirs.
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
        """Ask Django again for an answer that is stale; whoever comes meanwhile gets the stale one."""
        try:
            if key in self._asking:  # somebody began to in the meantime, for whom it was too old
                return
            await self._fetch_shared(
                key, self._vary.get(scope["path"]) or SUPPORTED_VARY, scope, dict(scope["headers"]), _drop
            )
        except Exception:
            log.exception("cached_response_not_renewed", path=scope["path"])  # a second later, everybody asks Django
        finally:
            del self._renewing[key]

    def _store(self, scope: Scope, headers: Headers, response: CachedResponse | None) -> None:
        known = self._vary.get(scope["path"])
        if response is None:
            _lru_put(self._vary, scope["path"], known, PATHS_MAX)  # one bad answer doesn't make an address personal
            return
        vary = tuple(name for name in SUPPORTED_VARY if name in response.vary or name in (known or ()))
        _lru_put(self._vary, scope["path"], vary, PATHS_MAX)
        _lru_put(self._answers, _key(scope["path"], headers, vary), response, RESPONSES_MAX)


def is_cacheable_request(method: str, query: bytes, headers: Sequence[Header], fields: Headers) -> bool:
    """Whether a request asks for the whole of what everybody gets. ``fields`` are its headers by name."""
    return (
        method in ("GET", "HEAD")
        and not query
        and b"host" in fields
        and len(fields) == len(headers)  # a header sent twice is read differently by different readers
        and UNCACHEABLE_REQUEST_HEADERS.isdisjoint(fields)
    )


def _key_of(request: Request, vary: tuple[bytes, ...]) -> Key:
    """What answers are kept by, for this request; () for one that asks for something of its own."""
    plain = is_cacheable_request(request.method, request.target.query, request.headers, request.fields)
    return _key(request.target.path, request.fields, vary) if plain else ()


def _key(path: str, fields: Headers, vary: Iterable[bytes]) -> Key:
    """What two requests have in common if one answer is right for both."""
    return (
        path,
        fields[b"host"],
        fields.get(b"x-forwarded-proto"),
        *(_language(fields.get(name, b"")) if name == b"accept-language" else fields.get(name) for name in vary),
        len(tuple(vary)),
    )


@lru_cache(maxsize=256)
def _language(accept_language: bytes) -> str:
    """Which of our languages Django answers in: the crowd's browsers ask in hundreds of ways for a few languages."""
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = accept_language.decode("latin-1")
    return get_language_from_request(request)


def _matches(if_none_match: bytes, etag: bytes) -> bool:
    """Whether If-None-Match names this ETag, by the weak comparison of RFC 9110, 13.1.2."""
    if if_none_match.strip() == b"*":
        return True
    return etag.removeprefix(b"W/") in [part.strip().removeprefix(b"W/") for part in if_none_match.split(b",")]


def _unconditional(scope: Scope) -> Scope:
    """The request without If-None-Match: what is shared has to be whole."""
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"if-none-match"]}


def _impersonal(scope: Scope) -> Scope:
    """The request with nothing that tells the visitor who sent it from others who get the same answer."""
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] in CONDITIONAL_HEADERS]}


async def _send(response: Response, send: Send) -> None:
    """Send an answer the ASGI way."""
    lines = response.head.split(b"\r\n")[1:-1]
    headers = [tuple(line.split(b": ", 1)) for line in lines]
    if response.status != HTTPStatus.NOT_MODIFIED:
        headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": int(response.status), "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _drop(message: Message) -> None:
    """Where no client waits."""


def _never_disconnects() -> Receive:
    """A client without a body that never hangs up: whoever asks for all does so to the end."""
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        another: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await another  # it never comes

    return receive


def _split_header(values: list[bytes]) -> list[bytes]:
    """The parts of a header with commas, in small letters."""
    return [part for part in (part.strip() for part in b",".join(values).lower().split(b",")) if part]


def _lru_put(kept: OrderedDict[Name, Value], name: Name, value: Value, most: int) -> None:
    """Keep the newest, and the others as long as there is room."""
    kept[name] = value
    kept.move_to_end(name)
    if len(kept) > most:
        kept.popitem(last=False)
