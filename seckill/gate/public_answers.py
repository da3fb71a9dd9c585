"""Public answers: what Django tells everybody alike is asked for once and shared, for a fifth of a second.

Django needs milliseconds for an answer. Under a crowd it is asked at most five times a second for one address, in each
language and each other form that ``Vary`` names, however many people want it. What may be shared says so itself, by
``Cache-Control: public``; nothing else is.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from http import HTTPStatus
from time import monotonic
from typing import Any, TypeVar

from django.http import HttpRequest
from django.utils.translation import get_language_from_request

from seckill.gate.answer import Receive, Scope, Send
from seckill.gate.metrics import PUBLIC_ANSWERS
from seckill.gate.routes import Application

FRESH_SECONDS = 0.2  # next to nothing beside the five seconds that the banners may lag behind the database
# A first visit loads thirty modules at once. Their names change with their content, so an old answer is a right one.
IMMUTABLE_FRESH_SECONDS = 60.0
BODY_BYTES_MAX = 256 * 1024
ANSWERS_MAX = 256  # the one used longest ago goes; with the line above, 64 MiB at the very worst
PATHS_MAX = 1024

VARY_ON = (b"accept", b"accept-encoding", b"accept-language", b"origin")  # what varies on anything else isn't shared
# Who sends one of these wants a part, or something for themselves, or has sent a body that must be read.
NOT_PLAIN = frozenset(
    (
        *(b"authorization", b"range", b"if-range", b"content-length", b"transfer-encoding"),
        *(b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"),
    )
)
NOT_PUBLIC = frozenset((b"private", b"no-store", b"no-cache"))

SHARED = PUBLIC_ANSWERS.labels("shared")
ASKED = PUBLIC_ANSWERS.labels("asked")

Message = Mapping[str, Any]
Headers = Mapping[bytes, bytes]  # of a request: names in small letters, as ASGI has them
Key = tuple[object, ...]
Name = TypeVar("Name")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms an answer may be shared."""

    fresh_seconds: float
    vary: frozenset[bytes]  #: names of request headers, in small letters
    length: int  #: of the body, bytes

    @classmethod
    def of(cls, start: Message) -> "Terms | None":
        """The terms in the start of an ASGI response; None if it isn't for everybody."""
        headers: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for name, value in start["headers"]:
            headers[name.lower()].append(value)
        directives = dict(part.partition(b"=")[::2] for part in _parts(headers[b"cache-control"]))
        max_age = directives.get(b"max-age", b"")
        length = b",".join(headers[b"content-length"])  # without it, this may be a stream that never ends
        vary = frozenset(_parts(headers[b"vary"]))
        if (
            start["status"] != HTTPStatus.OK
            or b"set-cookie" in headers
            or b"public" not in directives
            or not NOT_PUBLIC.isdisjoint(directives)
            or not (max_age.isdigit() and int(max_age) > 0)
            or not (length.isdigit() and int(length) <= BODY_BYTES_MAX)
            or not vary.issubset(VARY_ON)
        ):
            return None
        fresh_seconds = IMMUTABLE_FRESH_SECONDS if b"immutable" in directives else FRESH_SECONDS
        return cls(min(fresh_seconds, int(max_age)), vary, int(length))


class PublicAnswer:
    """An answer that Django gave to one, to be given to others."""

    def __init__(self, start: Message, body: bytes, terms: Terms) -> None:
        self.vary = terms.vary
        self._fresh_seconds = terms.fresh_seconds
        self._came_at = monotonic()
        self._body = body
        self._headers: list[tuple[bytes, bytes]] = []
        self._age_before: int | None = None  #: seconds, if Django told them
        for name, value in start["headers"]:
            if name.lower() == b"age" and value.isdigit():
                self._age_before = int(value)
            elif name.lower() == b"x-cache":
                self._headers.append((name, b"hit"))  # who gets it from here did not cause it to be built
            else:
                self._headers.append((name, value))

    def is_fresh(self) -> bool:
        """Whether it may still be given to somebody who asks now."""
        return monotonic() - self._came_at < self._fresh_seconds

    async def send(self, send: Send, *, with_body: bool) -> None:
        """Send what Django sent, with its present age; without the body for a HEAD request."""
        headers = self._headers
        age = (self._age_before or 0) + int(monotonic() - self._came_at)
        if age or self._age_before is not None:
            headers = [*headers, (b"Age", b"%d" % age)]
        await send({"type": "http.response.start", "status": HTTPStatus.OK.value, "headers": headers})
        await send({"type": "http.response.body", "body": self._body if with_body else b""})


class Copy:
    """The way from Django to one client; ``heard`` is told once what public answer went by, or None.

    A public answer is heard when it is whole and before it is sent: a client that reads slowly holds nobody else up.
    """

    def __init__(self, send: Send, heard: Callable[[PublicAnswer | None], None]) -> None:
        self._send = send
        self._heard = heard
        self._start: Message = {}
        self._terms: Terms | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        """Take one ASGI message; it is sent on at once, unless it belongs to a public answer that isn't whole yet."""
        if message["type"] == "http.response.start":
            self._start = message
            self._terms = Terms.of(message)
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
        self._heard(PublicAnswer(self._start, self._body, self._terms) if whole else None)
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": self._body})


class PublicAnswers:
    """An ASGI application in front of another one: it shares the other's public answers and passes everything else on.

    While one request is asking, others for the same wait for its answer. If it comes to nothing, each asks for itself.
    """

    def __init__(self, otherwise: Application) -> None:
        self._otherwise = otherwise
        self._answers: OrderedDict[Key, PublicAnswer] = OrderedDict()
        self._asking: dict[Key, asyncio.Future[PublicAnswer | None]] = {}
        # By path, what its public answers vary on, in VARY_ON's order; None where there have only been others.
        self._vary: OrderedDict[str, tuple[bytes, ...] | None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if not _is_plain(scope, headers):
            await self._ask(scope, receive, send)
            return
        vary = self._vary.get(scope["path"], VARY_ON)
        if vary is None:  # personal, as far as is known: nobody waits for anybody
            heard = partial(self._remember, scope, headers)
            await self._ask(scope, receive, Copy(send, heard) if scope["method"] == "GET" else send)
            return
        key = _key(scope, headers, vary)
        answer = self._fresh(key)
        if answer is None and scope["method"] == "GET":
            if key not in self._asking:
                await self._ask_for_all(key, vary, scope, headers, send)
                return
            answer = await asyncio.shield(self._asking[key])  # one who gives up leaves the others alone
        if answer is None:
            await self._ask(scope, receive, send)
            return
        SHARED.inc()
        await answer.send(send, with_body=scope["method"] == "GET")

    def _fresh(self, key: Key) -> PublicAnswer | None:
        answer = self._answers.get(key)
        if answer is None or not answer.is_fresh():
            return None
        self._answers.move_to_end(key)
        return answer

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        ASKED.inc()
        await self._otherwise(scope, receive, send)

    async def _ask_for_all(self, key: Key, vary: tuple[bytes, ...], scope: Scope, headers: Headers, send: Send) -> None:
        asking: asyncio.Future[PublicAnswer | None] = asyncio.get_running_loop().create_future()
        self._asking[key] = asking

        def tell(answer: PublicAnswer | None) -> None:
            if not asking.done():
                asking.set_result(answer)
                del self._asking[key]

        def heard(answer: PublicAnswer | None) -> None:
            self._remember(scope, headers, answer)
            # Those who wait are alike in ``vary``. If this answer varies on more it isn't theirs.
            tell(answer if answer is not None and answer.vary.issubset(vary) else None)

        try:
            await self._ask(scope, _patient_client(), Copy(send, heard))
        finally:
            tell(None)

    def _remember(self, scope: Scope, headers: Headers, answer: PublicAnswer | None) -> None:
        known = self._vary.get(scope["path"])
        if answer is None:
            _put(self._vary, scope["path"], known, PATHS_MAX)  # one bad answer doesn't make an address personal
            return
        vary = tuple(name for name in VARY_ON if name in answer.vary or name in (known or ()))
        _put(self._vary, scope["path"], vary, PATHS_MAX)
        _put(self._answers, _key(scope, headers, vary), answer, ANSWERS_MAX)


def _is_plain(scope: Scope, headers: Headers) -> bool:
    """Whether a request asks for the whole of what everybody gets."""
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and not scope.get("query_string")
        and b"host" in headers
        and len(headers) == len(scope["headers"])  # a header sent twice is read differently by different readers
        and NOT_PLAIN.isdisjoint(headers)
    )


def _key(scope: Scope, headers: Headers, vary: Iterable[bytes]) -> Key:
    """What two requests have in common if one answer is right for both."""
    return (
        *(scope.get("scheme"), headers.get(b"x-forwarded-proto"), headers[b"host"], scope["path"]),
        *(
            (name, _language(headers.get(name, b"")) if name == b"accept-language" else headers.get(name))
            for name in vary
        ),
    )


@lru_cache(maxsize=256)
def _language(accept_language: bytes) -> str:
    """Which of our languages Django answers in: the crowd's browsers ask in hundreds of ways for a few languages."""
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = accept_language.decode("latin-1")
    return get_language_from_request(request)


def _patient_client() -> Receive:
    """A client without a body that never hangs up: whoever asks for all does so to the end."""
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        another: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await another  # it never comes

    return receive


def _parts(values: list[bytes]) -> list[bytes]:
    """The parts of a header with commas, in small letters."""
    return [part for part in (part.strip() for part in b",".join(values).lower().split(b",")) if part]


def _put(kept: OrderedDict[Name, Value], name: Name, value: Value, most: int) -> None:
    """Keep the newest, and the others as long as there is room."""
    kept[name] = value
    kept.move_to_end(name)
    if len(kept) > most:
        kept.popitem(last=False)
