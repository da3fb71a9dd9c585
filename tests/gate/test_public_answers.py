"""Public answers: asked once, shared for a fifth of a second, and never what was meant for one visitor."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from seckill.gate.asgi import Receive, Scope, Send
from seckill.gate.metrics import PUBLIC_ANSWERS
from seckill.gate.public_answers import PublicAnswers
from tests.gate.clock import Clock
from tests.gate.door import WAIT_SECONDS_MAX, eventually
from tests.gate.visitor import CHINESE, Answered, Visitor, visit

pytestmark = pytest.mark.usefixtures("clock")

PUBLIC = {"Cache-Control": "public, max-age=60"}
IMMUTABLE = {"Cache-Control": "max-age=315360000, public, immutable"}  # as WhiteNoise says it


class Shop:
    """Stands behind, notes who asks, and says the same to everybody: how often it was asked."""

    def __init__(
        self, headers: Mapping[str, str] | None = None, *, status: int = 200, length: int | None = None
    ) -> None:
        self.asked: list[str] = []
        self.headers = dict(PUBLIC if headers is None else headers)
        self.status = status
        self.length = length
        self.doors = asyncio.Event()
        self.doors.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(f"{scope.get('method', scope['type'])} {scope['path']}")
        body = b"answer %d" % len(self.asked)
        if self.length is not None:
            body = body.ljust(self.length)
        headers = {"Content-Length": str(len(body)), **self.headers}
        assert (await receive())["type"] == "http.request"
        await self.doors.wait()
        raw = [(name.encode(), value.encode()) for name, value in headers.items() if value]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        await send({"type": "http.response.body", "body": body[:5], "more_body": True})
        await send({"type": "http.response.body", "body": body[5:]})


def plain(path: str = "/", **more: object) -> Scope:
    """The scope of a request like any other."""
    return {"method": "GET", "scheme": "http", "path": path, "headers": [(b"host", b"127.0.0.1")], **more}


async def crowd(count: int, ask: Callable[[], Awaitable[Answered]], shop: Shop) -> list[Answered]:
    """Everybody asks before the first one is answered."""
    shop.doors.clear()
    visitors = [asyncio.ensure_future(ask()) for _ in range(count)]
    await eventually(lambda: shop.asked)
    for _ in range(10):  # turns of the event loop: enough for everybody to come as far as they can
        await asyncio.sleep(0)
    shop.doors.set()
    return await asyncio.gather(*visitors)


# --- shared -----------------------------------------------------------------------------------------------------


async def test_the_second_visitor_gets_what_the_first_one_got_byte_for_byte() -> None:
    visitor = visit(shop := Shop({**PUBLIC, "ETag": '"k"', "Content-Type": "text/plain", "Allow": "GET"}))

    first, second = await visitor.get(), await visitor.get()

    assert shop.asked == ["GET /"]
    assert first == second == Answered(200, [("Content-Length", "8"), *shop.headers.items()], b"answer 1")


async def test_a_shared_answer_is_a_fifth_of_a_second_old_at_most(clock: Clock) -> None:
    visitor = visit(shop := Shop())
    await visitor.get()

    clock.now = 1000.199
    assert (await visitor.get()).body == b"answer 1"
    clock.now = 1000.2
    assert (await visitor.get()).body == b"answer 2"
    clock.now = 1000.399  # being shared keeps nothing fresh
    assert (await visitor.get()).body == b"answer 2"

    assert len(shop.asked) == 2


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("max-age=315360000, public, immutable", 60.0),
        ("public, immutable, max-age=30", 30.0),
        ("PUBLIC, Max-Age=1", 0.2),
    ],
)
async def test_a_file_whose_name_has_its_content_is_kept_a_minute(
    clock: Clock, cache_control: str, seconds: float
) -> None:
    visitor = visit(Shop({"Cache-Control": cache_control}))
    await visitor.get()

    clock.now = 1000 + seconds - 0.001
    assert (await visitor.get()).body == b"answer 1"
    clock.now = 1000 + seconds
    assert (await visitor.get()).body == b"answer 2"


async def test_the_age_grows_and_whoever_shares_had_a_hit(clock: Clock) -> None:
    visitor = visit(Shop({**IMMUTABLE, "Age": "4", "X-Cache": "miss"}))

    first = await visitor.get()
    second = await visitor.get()
    clock.now += 2.9
    third = await visitor.get()

    assert [(answer["Age"], answer["X-Cache"]) for answer in (first, second, third)] == [
        ("4", "miss"), ("4", "hit"), ("6", "hit")
    ]  # fmt: skip


async def test_what_told_no_age_gets_one_after_a_second(clock: Clock) -> None:
    visitor = visit(Shop(IMMUTABLE))
    await visitor.get()

    assert (await visitor.get())["Age"] is None
    clock.now += 1
    assert (await visitor.get())["Age"] == "1"


async def test_an_age_that_is_no_number_hurts_nobody() -> None:
    visitor = visit(Shop({**PUBLIC, "Age": "old"}))

    assert [(await visitor.get())["Age"] for _ in range(2)] == ["old", "old"]


async def test_a_session_does_not_make_a_public_answer_personal() -> None:
    visitor = visit(shop := Shop())

    await visitor.get(cookie="sessionid=ann")
    await visitor.get(cookie="sessionid=ben", user_agent="another")

    assert len(shop.asked) == 1


async def test_a_head_is_answered_from_a_get_without_the_body() -> None:
    visitor = visit(shop := Shop())
    get = await visitor.get()

    head = await visitor.get(method="HEAD")

    assert (head.status, head.headers, head.body) == (200, get.headers, b"")
    assert shop.asked == ["GET /"]


@pytest.mark.parametrize("known_as", ["nothing", "personal"])
async def test_a_head_is_no_answer_for_a_get(known_as: str) -> None:
    visitor = visit(shop := Shop())
    if known_as == "personal":
        shop.headers = {}
        await visitor.get()
        shop.headers = PUBLIC

    await visitor.get(method="HEAD")
    await visitor.get()

    assert shop.asked[-2:] == ["HEAD /", "GET /"]


async def test_a_head_waits_for_no_get() -> None:
    visitor = visit(shop := Shop())
    shop.doors.clear()
    get = asyncio.ensure_future(visitor.get())
    await eventually(lambda: shop.asked)
    head = asyncio.ensure_future(visitor.get(method="HEAD"))

    await eventually(lambda: shop.asked == ["GET /", "HEAD /"])

    shop.doors.set()
    await asyncio.gather(get, head)


async def test_what_is_shared_and_what_is_asked_is_counted() -> None:
    visitor = visit(Shop())
    before = counted()

    await visitor.get()
    for _ in range(3):
        await visitor.get()
    await visitor.get(method="POST")

    assert (counted()[0] - before[0], counted()[1] - before[1]) == (3, 2)


def counted() -> tuple[int, int]:
    """How many answers were shared and asked for, by Prometheus."""
    values = {
        sample.labels["result"]: int(sample.value)
        for metric in PUBLIC_ANSWERS.collect()
        for sample in metric.samples
        if sample.name == "seckill_public_answers_total"
    }
    return values["shared"], values["asked"]


# --- kept apart -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"host": "127.0.0.1"}, {"host": "localhost"}),
        ({"scheme": "http"}, {"scheme": "https"}),
        ({"x_forwarded_proto": "http"}, {"x_forwarded_proto": "https"}),
        ({"path": "/sales/1/"}, {"path": "/sales/2/"}),
    ],
)
async def test_addresses_are_kept_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    visitor = visit(shop := Shop())

    answers = [(await visitor.get(**which)).body for which in (one, other, one, other)]

    assert answers == [b"answer 1", b"answer 2", b"answer 1", b"answer 2"]
    assert len(shop.asked) == 2


@pytest.mark.parametrize("name", ["accept", "accept_encoding", "origin"])
async def test_forms_that_vary_names_are_kept_apart(name: str) -> None:
    visitor = visit(shop := Shop({**PUBLIC, "Vary": name.replace("_", "-").title()}))

    forms: list[dict[str, Any]] = [{name: form} for form in ("x, y", "z", "")]
    answers = [(await visitor.get(**form)).body for form in (*forms, *forms)]

    assert answers == [b"answer 1", b"answer 2", b"answer 3"] * 2
    assert len(shop.asked) == 3


async def test_forms_that_vary_does_not_name_are_one() -> None:
    visitor = visit(shop := Shop({**PUBLIC, "Vary": "Accept-Encoding"}))

    for number in range(5):
        await visitor.get(accept=f"a/{number}", accept_language=f"x-{number}", origin=f"o{number}")

    assert len(shop.asked) == 1


async def test_browsers_that_want_the_same_language_in_other_words_share() -> None:
    visitor = visit(shop := Shop({**PUBLIC, "Vary": "Accept-Language"}))

    for wanted in ("en", "en-US,en;q=0.9", "", "*", "tlh", "de, it;q=0.5", *(f"x-{n}" for n in range(300))):
        assert (await visitor.get(accept_language=wanted)).body == b"answer 1"
    for wanted in (CHINESE, "zh-hans", "zh", "fr, zh-CN;q=0.1"):
        assert (await visitor.get(accept_language=wanted)).body == b"answer 2"

    assert len(shop.asked) == 2


async def test_an_address_varies_on_whatever_it_has_ever_varied_on(clock: Clock) -> None:
    visitor = visit(shop := Shop({**PUBLIC, "Vary": "Accept-Encoding"}))
    await visitor.get(accept_encoding="gzip")
    shop.headers["Vary"] = "Accept"
    clock.now += 1

    await visitor.get(accept_encoding="br", accept="a/b")
    await visitor.get(accept_encoding="gzip", accept="a/b")
    await visitor.get(accept_encoding="br", accept="c/d")
    assert len(shop.asked) == 4

    for encoding, accept in (("br", "a/b"), ("gzip", "a/b"), ("br", "c/d")):
        await visitor.get(accept_encoding=encoding, accept=accept)
    assert len(shop.asked) == 4


async def test_who_waits_is_not_given_a_form_they_cannot_read(clock: Clock) -> None:
    visitor = visit(shop := Shop())
    await visitor.get()  # so far the address varied on nothing
    shop.headers["Vary"] = "Accept-Encoding"
    clock.now += 1
    encodings = iter(["gzip", "", ""])

    answers = await crowd(3, lambda: visitor.get(accept_encoding=next(encodings)), shop)

    assert [answer.body for answer in answers] == [b"answer 2", b"answer 3", b"answer 4"]


# --- not shared -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "POST"},
        {"method": "OPTIONS"},
        {"query": b"next=/"},
        {"host": ""},
        {"authorization": "Bearer x"},
        {"range": "bytes=0-1"},
        {"if_range": '"k"'},
        {"if_match": '"k"'},
        {"if_none_match": '"k"'},
        {"if_modified_since": "Sat, 21 Nov 2026 12:50:33 GMT"},
        {"if_unmodified_since": "Sat, 21 Nov 2026 12:50:33 GMT"},
        {"content_length": "2"},
        {"transfer_encoding": "chunked"},
    ],
    ids=lambda request: next(iter(request)),
)
async def test_a_request_that_is_not_plain_neither_gets_nor_leaves_a_shared_answer(request_: dict[str, Any]) -> None:
    visitor = visit(shop := Shop())

    assert (await visitor.get(**request_)).body == b"answer 1"
    assert (await visitor.get()).body == b"answer 2"
    assert (await visitor.get(**request_)).body == b"answer 3"
    assert (await visitor.get()).body == b"answer 2"

    assert len(shop.asked) == 3


async def test_a_header_sent_twice_is_not_guessed_at() -> None:
    visitor = visit(Shop({**PUBLIC, "Vary": "Accept-Language"}))
    twice = plain(headers=[(b"host", b"127.0.0.1"), (b"accept-language", b"zh-hans"), (b"accept-language", b"en")])

    assert (await visitor.ask(twice)).body == b"answer 1"  # Django would read: zh-hans,en
    assert (await visitor.get(accept_language="en")).body == b"answer 2"


async def test_other_protocols_are_passed_on() -> None:
    visitor = visit(shop := Shop())

    for _ in range(2):
        await visitor.ask({"type": "websocket", "path": "/", "headers": [(b"host", b"127.0.0.1")]})

    assert shop.asked == ["websocket /", "websocket /"]


NOT_FOR_EVERYBODY = [
    {},
    {"Cache-Control": "max-age=60"},
    {"Cache-Control": "public"},
    {"Cache-Control": "public, max-age=0"},
    {"Cache-Control": "public, max-age=soon"},
    {"Cache-Control": "public, max-age=60, private"},
    {"Cache-Control": "public, max-age=60, no-store"},
    {"Cache-Control": "public, max-age=60, no-cache"},
    {**PUBLIC, "Set-Cookie": "csrftoken=x"},
    {**PUBLIC, "Vary": "Accept-Language, Cookie"},
    {**PUBLIC, "Vary": "*"},
    {**PUBLIC, "Content-Length": ""},
    {**PUBLIC, "Content-Length": "9"},  # and then one byte less comes
]


@pytest.mark.parametrize("headers", NOT_FOR_EVERYBODY, ids=str)
async def test_an_answer_that_is_not_for_everybody_is_not_shared(headers: dict[str, str]) -> None:
    visitor = visit(shop := Shop(headers))

    assert [(await visitor.get()).body for _ in range(3)] == [b"answer 1", b"answer 2", b"answer 3"]
    assert shop.asked == ["GET /"] * 3


@pytest.mark.parametrize("status", [203, 301, 404, 406, 500, 503])
async def test_only_a_200_is_shared(status: int) -> None:
    visitor = visit(Shop(status=status))

    assert [((answer := await visitor.get()).status, answer.body) for _ in range(2)] == [
        (status, b"answer 1"), (status, b"answer 2")
    ]  # fmt: skip


async def test_what_is_not_for_everybody_is_not_held_back() -> None:
    """A stream that never ends reaches its reader."""
    seen: list[object] = []

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 (an ASGI application)
        headers = [(b"Cache-Control", b"public, max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        assert len(seen) == 1
        await send({"type": "http.response.body", "body": b"tick", "more_body": True})
        assert len(seen) == 2
        await send({"type": "http.response.body", "body": b""})

    async def note(message: Mapping[str, Any]) -> None:
        seen.append(message)

    assert (await visit(stream).ask(plain(), send=note)).body == b"tick"


# --- waiting together -------------------------------------------------------------------------------------------


async def test_of_fifty_who_ask_at_once_one_asks_the_shop() -> None:
    visitor = visit(shop := Shop())

    answers = await crowd(50, visitor.get, shop)

    assert shop.asked == ["GET /"]
    assert [answer.body for answer in answers] == [b"answer 1"] * 50


async def test_an_answer_that_took_long_is_everybodys_who_waited_for_it(clock: Clock) -> None:
    visitor = visit(shop := Shop())
    shop.doors.clear()
    waiting = [asyncio.ensure_future(visitor.get()) for _ in range(50)]
    await eventually(lambda: shop.asked)
    shop.doors.set()
    waiting[0].add_done_callback(lambda _: setattr(clock, "now", clock.now + 1))  # it is old before all have it

    answers = await asyncio.gather(*waiting)

    assert [answer.body for answer in answers] == [b"answer 1"] * 50
    assert len(shop.asked) == 1


async def test_who_hangs_up_while_asking_for_all_asks_to_the_end() -> None:
    told: list[str] = []

    async def attentive(scope: Scope, receive: Receive, send: Send) -> None:
        """As Django does, it stops when its client hangs up."""
        await receive()
        listening = asyncio.ensure_future(receive())
        answering = asyncio.ensure_future(shop(scope, still_there, send))
        await asyncio.wait([listening, answering], return_when=asyncio.FIRST_COMPLETED)
        if listening.done():
            told.append(listening.result()["type"])
        for task in (listening, answering):
            task.cancel()

    async def still_there() -> Mapping[str, Any]:
        return {"type": "http.request"}

    async def hang_up() -> Mapping[str, Any]:
        return {"type": "http.disconnect"}

    shop = Shop()
    visitor = visit(attentive)
    hung_up = False

    async def first_hangs_up() -> Answered:
        nonlocal hung_up
        if hung_up:
            return await visitor.get()
        hung_up = True
        return await visitor.ask(plain(), receive=hang_up)

    answers = await crowd(50, first_hangs_up, shop)

    assert [answer.body for answer in answers] == [b"answer 1"] * 50
    assert (shop.asked, told) == (["GET /"], [])


async def test_when_the_one_who_asks_is_cancelled_each_other_asks_alone() -> None:
    visitor = visit(shop := Shop())
    shop.doors.clear()
    first, *others = [asyncio.ensure_future(visitor.get()) for _ in range(4)]
    await eventually(lambda: shop.asked)

    first.cancel()
    await eventually(lambda: len(shop.asked) == 4)
    shop.doors.set()

    assert sorted([answer.body for answer in await asyncio.gather(*others)]) == [b"answer 2", b"answer 3", b"answer 4"]
    assert first.cancelled()
    assert (await visitor.get()).body == b"answer 5"  # and all is as before
    assert (await visitor.get()).body == b"answer 5"


async def test_when_the_one_who_asks_fails_the_others_do_not() -> None:
    shop = Shop()

    async def stumbling(scope: Scope, receive: Receive, send: Send) -> None:
        await shop(scope, receive, send if len(shop.asked) else fail)

    async def fail(message: Mapping[str, Any]) -> None:  # noqa: ARG001 (an ASGI send)
        raise ConnectionResetError("the ledger hung up")

    visitor = visit(stumbling)
    shop.doors.clear()
    visitors = [asyncio.ensure_future(visitor.get()) for _ in range(4)]
    await eventually(lambda: shop.asked)
    shop.doors.set()

    failed, *others = await asyncio.gather(*visitors, return_exceptions=True)

    assert isinstance(failed, ConnectionResetError)
    assert [answer.body for answer in others if isinstance(answer, Answered)] == [
        b"answer 2", b"answer 3", b"answer 4"
    ]  # fmt: skip


async def test_one_who_stops_waiting_leaves_the_others_alone() -> None:
    visitor = visit(shop := Shop())
    shop.doors.clear()
    visitors = [asyncio.ensure_future(visitor.get()) for _ in range(4)]
    await eventually(lambda: shop.asked)
    visitors[1].cancel()
    await asyncio.wait([visitors[1]])
    shop.doors.set()

    answers = await asyncio.gather(*visitors, return_exceptions=True)

    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [False, True, False, False]
    assert [answer.body for answer in answers if isinstance(answer, Answered)] == [b"answer 1"] * 3
    assert len(shop.asked) == 1


async def test_who_reads_slowly_holds_nobody_up() -> None:
    visitor = visit(shop := Shop())
    has_read = asyncio.Event()

    async def read_slowly(message: Mapping[str, Any]) -> None:  # noqa: ARG001 (an ASGI send)
        await has_read.wait()

    slow = asyncio.ensure_future(visitor.ask(plain(), send=read_slowly))
    await eventually(lambda: shop.asked)

    async with asyncio.timeout(WAIT_SECONDS_MAX):
        others = await asyncio.gather(visitor.get(), visitor.get())

    assert [answer.body for answer in others] == [b"answer 1"] * 2
    assert not slow.done()
    has_read.set()
    assert (await slow).body == b"answer 1"


@pytest.mark.parametrize("headers", [{}, {"Cache-Control": "public, max-age=0"}], ids=str)
async def test_when_an_answer_turns_out_to_be_personal_everybody_asks_for_their_own(headers: dict[str, str]) -> None:
    visitor = visit(shop := Shop(headers))

    answers = await crowd(50, visitor.get, shop)

    assert len(shop.asked) == 50
    assert len({answer.body for answer in answers}) == 50


async def test_where_answers_are_personal_nobody_waits_for_anybody() -> None:
    visitor = visit(shop := Shop({}))
    await visitor.get()
    shop.doors.clear()
    visitors = [asyncio.ensure_future(visitor.get()) for _ in range(3)]

    await eventually(lambda: len(shop.asked) == 4)

    shop.doors.set()
    await asyncio.gather(*visitors)


async def test_an_address_that_was_personal_may_become_public(clock: Clock) -> None:
    visitor = visit(shop := Shop(status=503))
    await visitor.get()
    shop.status = 200

    assert [(await visitor.get()).body for _ in range(2)] == [b"answer 2"] * 2
    clock.now += 1
    answers = await crowd(50, visitor.get, shop)

    assert [answer.body for answer in answers] == [b"answer 3"] * 50


async def test_one_bad_answer_does_not_make_an_address_personal(clock: Clock) -> None:
    visitor = visit(shop := Shop())
    await visitor.get()
    clock.now += 1
    shop.status = 503
    await visitor.get()
    shop.status = 200

    answers = await crowd(50, visitor.get, shop)

    assert [answer.body for answer in answers] == [b"answer 3"] * 50


# --- how much is kept -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "asked"), [(256 * 1024, 1), (256 * 1024 + 1, 2)])
async def test_large_answers_are_not_kept(length: int, asked: int) -> None:
    visitor = visit(shop := Shop(length=length))

    assert {len((await visitor.get()).body) for _ in range(2)} == {length}
    assert len(shop.asked) == asked


async def test_of_many_answers_the_one_used_longest_ago_goes() -> None:
    visitor = visit(shop := Shop())
    for number in range(256):
        await visitor.get(f"/{number}")
    await visitor.get("/0")
    assert len(shop.asked) == 256

    await visitor.get("/256")
    await visitor.get("/0")
    assert len(shop.asked) == 257

    await visitor.get("/1")
    assert len(shop.asked) == 258


async def test_an_answer_that_was_asked_for_again_is_a_new_one(clock: Clock) -> None:
    visitor = visit(shop := Shop())
    for number in range(256):
        await visitor.get(f"/{number}")
    clock.now += 1
    for number in range(10):
        await visitor.get(f"/{number}")

    for number in range(300, 310):
        await visitor.get(f"/{number}")
    assert len(shop.asked) == 276

    for number in range(10):
        await visitor.get(f"/{number}")
    assert len(shop.asked) == 276


async def test_strangers_fill_no_memory(clock: Clock) -> None:
    application = PublicAnswers(shop := Shop())
    visitor = Visitor(application)

    for number in range(300):
        await visitor.get(host=f"host-{number}.example")
    clock.now += 1
    shop.status = 404
    for number in range(1100):
        await visitor.get(f"/invented/{number}")

    assert (len(application._answers), len(application._vary), len(application._asking)) == (256, 1024, 0)
