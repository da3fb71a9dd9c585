"""Requests to Django behind the gate are bounded: a number at once, a number waiting, and slow clients hold no slot."""

import asyncio
import gc
import json
import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from pytest_django import Settings

from devtools.waiting import wait_until_async
from seckill.gate import django_limit
from seckill.gate.asgi import RENEWAL
from seckill.gate.django_limit import DjangoLimit

THREADS = 2
WAITING_MAX = 3
LARGE = b"x" * 1_000_000

Message = Mapping[str, Any]


class Views:
    """Views that stay busy until they are released."""

    def __init__(self) -> None:
        self.inside: list[str] = []  # requests that came in, in order
        self.threads: set[int] = set()
        self.unstick = threading.Event()
        self._let_go = threading.Semaphore(0)

    def let_go(self, requests: int = 1) -> None:
        self._let_go.release(requests)

    async def let_all_go(self, requests: int) -> None:
        """Release one after another, so that the next request comes in before the one after it."""
        await self.until_inside(THREADS)
        for inside in range(THREADS + 1, requests + 1):
            self.let_go()
            await self.until_inside(inside)
        self.let_go(THREADS)

    async def until_inside(self, requests: int) -> None:
        """Wait until this many requests have come in since the start."""
        await wait_until_async("len(self.inside) == requests", lambda: len(self.inside) == requests)

    def stay(self, request: HttpRequest, name: str) -> HttpResponse:
        self.inside.append(name)
        self.threads.add(threading.get_native_id())
        assert self.unstick.wait(30) if name == "stuck" else self._let_go.acquire(timeout=30)
        return HttpResponse(name + request.body.decode())


views = Views()


def stay(request: HttpRequest, name: str) -> HttpResponse:
    return views.stay(request, name)


def large(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(LARGE)


def stream(_request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield LARGE

    return StreamingHttpResponse(pieces())


def probe(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [
    path("stay/<str:name>", stay),
    path("api/stay/<str:name>", stay),
    path("<path:name>/login/", stay),
    path("api/auth/<str:name>", stay),
    path("large", large),
    path("stream", stream),
    path("healthz", probe),
    path("readyz", probe),
    path("metrics", probe),
]


@dataclass
class Visitor:
    """One client and its request, as the server passes it to the application."""

    path: str
    method: str = "GET"
    accept: str = "*/*"
    body: tuple[bytes, ...] = (b"",)
    renewal: bool = False  #: requests a shared response again
    stalls: bool = False  #: announces more body than it sends
    sent: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hung_up = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self._parts = list(self.body)

    async def receive(self) -> Message:
        if self._parts:
            part = self._parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self._parts) or self.stalls}
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return int(self.sent[0]["status"]) if self.sent else None

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode().lower(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def content(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


class LimitedApp:
    """Passes requests to the application, each in its own task."""

    def __init__(self) -> None:
        self.limit = DjangoLimit(get_asgi_application())
        self.tasks: list[asyncio.Task[None]] = []

    def request(self, visitor: Visitor) -> "asyncio.Task[None]":
        scope: dict[str, Any] = {
            "type": "http", "method": visitor.method, "path": visitor.path, "query_string": b"",
            "headers": [(b"host", b"127.0.0.1"), (b"accept", visitor.accept.encode())],
        }  # fmt: skip
        if visitor.renewal:
            scope[RENEWAL] = True
        task = asyncio.create_task(self.limit(scope, visitor.receive, visitor.send))
        self.tasks.append(task)
        return task

    async def crowd(self, *names: str) -> list[Visitor]:
        """Pass requests one after another, each as far as it gets."""
        visitors = []
        for name in names:
            visitors.append(Visitor(f"/stay/{name}"))
            self.request(visitors[-1])
            await asyncio.sleep(0)
        return visitors


@pytest.fixture
def _small(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    settings.DJANGO_THREADS = THREADS
    settings.DJANGO_WAITING_MAX = WAITING_MAX
    settings.PASSWORD_WAITING_MAX = 4
    settings.DJANGO_WAIT_SECONDS = 30.0


@pytest.fixture
async def limited(_small: None) -> AsyncIterator[LimitedApp]:
    global views  # noqa: PLW0603 (the URLs lead to it)
    views = Views()
    limited = LimitedApp()
    yield limited
    views.unstick.set()
    views.let_go(1000)
    await asyncio.gather(*limited.tasks, return_exceptions=True)
    limited.tasks.clear()
    gc.collect()  # report here what a cancelled request left open


@pytest.fixture
def _impatient(_small: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DJANGO_WAIT_SECONDS = 0.05
    monkeypatch.setattr(django_limit, "READ_SECONDS_MAX", 0.05)


async def test_so_many_are_inside_at_once_and_the_others_follow_in_order(limited: LimitedApp) -> None:
    visitors = await limited.crowd("ann", "ben", "cem", "dot", "eve")
    await wait_until_async("len(views.inside) == 2", lambda: len(views.inside) == 2)

    await views.let_all_go(5)
    await asyncio.gather(*limited.tasks)

    assert sorted(views.inside[:2]) + views.inside[2:] == ["ann", "ben", "cem", "dot", "eve"]
    assert [(visitor.status, visitor.content) for visitor in visitors] == [
        (200, name.encode()) for name in ("ann", "ben", "cem", "dot", "eve")
    ]
    assert len(views.threads) == 2


async def test_who_finds_the_queue_full_is_told_at_once_when_to_come_back(limited: LimitedApp) -> None:
    await limited.crowd("ann", "ben", "cem", "dot", "eve")  # two inside, three waiting
    program, person, head = (
        Visitor("/api/stay/fay"),
        Visitor("/stay/gus", accept="text/html,*/*"),
        Visitor("/x", "HEAD"),
    )

    for late in (program, person, head):
        await limited.request(late)

    assert [late.status for late in (program, person, head)] == [503] * 3
    assert [late.headers["retry-after"] for late in (program, person, head)] == ["2"] * 3
    assert json.loads(program.content)["code"] == "unavailable"
    assert program.headers["content-type"] == "application/problem+json"
    assert b"The shop is very busy" in person.content
    assert person.headers["content-type"] == "text/html; charset=utf-8"
    assert (head.content, int(head.headers["content-length"]) > 0) == (b"", True)
    assert len(views.inside) <= 2


@pytest.mark.usefixtures("_impatient")
async def test_nobody_waits_longer_than_so_long(limited: LimitedApp) -> None:
    *_, cem = await limited.crowd("ann", "ben", "cem")

    await wait_until_async("the third request is answered", limited.tasks[2].done)

    assert (cem.status, cem.headers["retry-after"]) == (503, "2")
    views.let_go(2)
    await asyncio.gather(*limited.tasks)
    assert sorted(views.inside) == ["ann", "ben"]
    dot = Visitor("/stay/dot")
    views.let_go()
    await limited.request(dot)
    assert dot.status == 200  # cem's request was removed completely


async def test_who_hangs_up_while_waiting_leaves_the_queue(limited: LimitedApp) -> None:
    *_, dot, eve = await limited.crowd("ann", "ben", "cem", "dot", "eve")
    dot.hung_up.set()
    await limited.tasks[3]

    fay = (await limited.crowd("fay"))[0]  # takes the place dot left
    await views.let_all_go(5)
    await asyncio.gather(*limited.tasks)

    assert views.inside[2:] == ["cem", "eve", "fay"]
    assert (dot.sent, eve.status, fay.status) == ([], 200, 200)


async def test_a_request_the_server_gives_up_leaves_the_queue(limited: LimitedApp) -> None:
    await limited.crowd("ann", "ben", "cem", "dot", "eve")
    limited.tasks[2].cancel()

    fay = (await limited.crowd("fay"))[0]
    await views.let_all_go(5)
    await asyncio.gather(*limited.tasks, return_exceptions=True)

    assert views.inside[2:] == ["dot", "eve", "fay"]
    assert fay.status == 200


@pytest.mark.filterwarnings("ignore:Exception ignored in")  # Django drops a body's file when a server gives up
@pytest.mark.parametrize("way", ["hangs up", "is given up"])
async def test_a_thread_is_free_only_when_it_has_ended_though_the_client_is_gone(limited: LimitedApp, way: str) -> None:
    ann, ben = await limited.crowd("ann", "ben")
    await wait_until_async("len(views.inside) == 2", lambda: len(views.inside) == 2)
    for visitor, task in zip((ann, ben), limited.tasks, strict=True):
        if way == "hangs up":
            visitor.hung_up.set()
        else:
            task.cancel()
    *_, cem = await limited.crowd("cem")
    for _ in range(50):  # everything that happens without input has happened
        await asyncio.sleep(0.002)
    assert len(views.inside) == 2

    views.let_go()
    await wait_until_async("views.inside[2:] == ['cem']", lambda: views.inside[2:] == ["cem"])

    views.let_go(2)
    await limited.tasks[2]
    assert (cem.status, len(views.threads)) == (200, 2)


@pytest.mark.filterwarnings("ignore:Exception ignored in")  # as above
async def test_a_thread_that_works_on_for_somebody_who_left_is_nobody_elses(limited: LimitedApp) -> None:
    await limited.crowd("stuck", "ben", "cem")
    await views.until_inside(2)
    limited.tasks[0].cancel()
    await asyncio.wait(limited.tasks[:1])

    views.let_go()
    await views.until_inside(3)

    assert views.inside[2:] == ["cem"]


async def test_probes_are_answered_while_the_crowd_has_every_thread(limited: LimitedApp) -> None:
    await limited.crowd("ann", "ben", "cem", "dot", "eve", "fay")
    probes = [Visitor(path) for path in ("/healthz", "/readyz", "/metrics")]

    await asyncio.gather(*(limited.request(probe) for probe in probes))

    assert [(probe.status, probe.content) for probe in probes] == [(200, b"ok")] * 3


async def test_what_is_shared_is_asked_for_again_while_the_crowd_has_every_thread(limited: LimitedApp) -> None:
    await limited.crowd("ann", "ben", "cem", "dot", "eve", "fay")
    shared = Visitor("/large", renewal=True)

    await limited.request(shared)

    assert (shared.status, shared.content) == (200, LARGE)


@pytest.mark.parametrize("address", ["/api/auth/login", "/api/auth/register", "/admin/login/"])
async def test_who_logs_in_waits_in_a_queue_of_their_own(limited: LimitedApp, settings: Settings, address: str) -> None:
    crowd = [Visitor(address, "POST") for _ in range(1 + settings.PASSWORD_WAITING_MAX + 2)]
    for visitor in crowd:
        limited.request(visitor)
    await views.until_inside(1)
    await asyncio.gather(*limited.tasks[-2:])

    assert [visitor.status for visitor in crowd] == [None] * (1 + settings.PASSWORD_WAITING_MAX) + [503] * 2
    for visitor in (Visitor(address), Visitor("/stay/ann")):  # the page with the form, and any other
        limited.request(visitor)
    await views.until_inside(3)


async def test_who_sends_the_body_slowly_takes_no_thread(limited: LimitedApp) -> None:
    slow = [Visitor("/stay/slow", "POST", body=(b"half",), stalls=True) for _ in range(2)]
    for visitor in slow:
        limited.request(visitor)
    views.let_go()
    ann = Visitor("/stay/ann")

    await limited.request(ann)

    assert (ann.status, views.inside) == (200, ["ann"])
    for visitor in slow:
        visitor.hung_up.set()
    await asyncio.gather(*limited.tasks)
    assert [visitor.sent for visitor in slow] == [[], []]


async def test_django_gets_the_whole_body(limited: LimitedApp) -> None:
    views.let_go()
    ann = Visitor("/stay/ann", "POST", body=(b" wants", b"", b" one"))

    await limited.request(ann)

    assert ann.content == b"ann wants one"


async def test_who_reads_slowly_holds_no_thread(limited: LimitedApp) -> None:
    slow = [Visitor("/large") for _ in range(2)]
    for visitor in slow:
        visitor.reads.clear()
        limited.request(visitor)
    views.let_go()
    ann = Visitor("/stay/ann")

    await limited.request(ann)

    assert (ann.status, [visitor.sent for visitor in slow]) == (200, [[], []])
    for visitor in slow:
        visitor.reads.set()
    await asyncio.gather(*limited.tasks)
    assert [visitor.content for visitor in slow] == [LARGE] * 2


@pytest.mark.usefixtures("_impatient")
async def test_a_long_answer_that_nobody_reads_is_given_up(limited: LimitedApp) -> None:
    for _ in range(2):
        visitor = Visitor("/stream")
        visitor.reads.clear()
        limited.request(visitor)

    await wait_until_async(
        "all((task.done() for task in limited.tasks))", lambda: all(task.done() for task in limited.tasks)
    )

    views.let_go()
    ann = Visitor("/stay/ann")
    await limited.request(ann)
    assert ann.status == 200
