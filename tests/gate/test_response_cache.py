"""Response cache: a response is fetched once, shared for 0.2 s, and never contains one visitor's data."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from seckill.gate.asgi import RENEWAL, Message, Receive, Scope, Send
from seckill.gate.metrics import RESPONSE_CACHE
from tests.gate.clock import Clock
from tests.gate.gate_server import eventually
from tests.gate.visitor import CHINESE, Visit, Visitor
from tests.gate.wire import Answered, Wire, request_bytes

pytestmark = pytest.mark.usefixtures("clock")

PUBLIC = {"Cache-Control": "public, max-age=60"}
IMMUTABLE = {"Cache-Control": "max-age=315360000, public, immutable"}  # set by WhiteNoise


class Shop:
    """The application behind the cache. Records its requests and responds with their number."""

    def __init__(
        self, headers: Mapping[str, str] | None = None, *, status: int = 200, length: int | None = None
    ) -> None:
        self.asked: list[str] = []
        self.renewals: list[bool] = []  #: for each request, whether it was made to renew a cached response
        self.headers = dict(PUBLIC if headers is None else headers)
        self.status = status
        self.places_issued = length
        self.doors = asyncio.Event()
        self.doors.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(f"{scope.get('method', scope['type'])} {scope['path']}")
        self.renewals.append(RENEWAL in scope)
        body = b"answer %d" % len(self.asked)
        if self.places_issued is not None:
            body = body.ljust(self.places_issued)
        headers = {"Content-Length": str(len(body)), **self.headers}
        assert (await receive())["type"] == "http.request"
        await self.doors.wait()
        raw = [(name.encode(), value.encode()) for name, value in headers.items() if value]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        await send({"type": "http.response.body", "body": body[:5], "more_body": True})
        await send({"type": "http.response.body", "body": body[5:]})


async def crowd(visitor: Visitor, count: int, ask: Callable[[], Awaitable[Answered]], shop: Shop) -> list[Answered]:
    """Send all requests before the first one is answered."""
    shop.doors.clear()
    asking = await visitor.line_up(count, ask)
    shop.doors.set()
    return await asyncio.gather(*asking)


async def until_renewed(visitor: Visitor) -> None:
    """Wait until no background request to the shop is under way."""
    await eventually(lambda: not visitor.application.public._renewing)


# --- shared -----------------------------------------------------------------------------------------------------


async def test_the_second_visitor_gets_what_the_first_one_got_byte_for_byte(visit: Visit) -> None:
    visitor = await visit(shop := Shop({**PUBLIC, "ETag": '"k"', "Content-Type": "text/plain", "Allow": "GET"}))

    first, second = await visitor.get(), await visitor.get()

    assert shop.asked == ["GET /"]
    assert first == second
    assert (first.status_code, first.content) == (200, b"answer 1")
    sent = {name.lower(): value for name, value in shop.headers.items()}
    assert first.headers == {**sent, "content-length": "8", "date": first.headers["date"]}


async def test_a_shared_answer_is_fresh_for_a_fifth_of_a_second(visit: Visit, clock: Clock) -> None:
    visitor = await visit(shop := Shop())
    await visitor.get()

    clock.now = 1000.199
    assert (await visitor.get()).content == b"answer 1"
    assert len(shop.asked) == 1
    clock.now = 1000.2
    assert (await visitor.get()).content == b"answer 1"  # the response is stale, so it is fetched again
    await until_renewed(visitor)
    assert shop.renewals == [False, True]
    assert (await visitor.get()).content == b"answer 2"
    clock.now = 1000.399  # sharing does not extend freshness
    assert (await visitor.get()).content == b"answer 2"
    assert len(shop.asked) == 2
    clock.now = 1000.401
    await visitor.get()
    await until_renewed(visitor)
    assert len(shop.asked) == 3


async def test_while_one_asks_again_the_others_get_what_is_there_until_it_is_nearly_a_second_old(
    visit: Visit, clock: Clock
) -> None:
    visitor = await visit(shop := Shop())
    await visitor.get()
    shop.doors.clear()

    for clock.now in (1000.2, 1000.5, 1000.949):
        assert [(await visitor.get()).content for _ in range(3)] == [b"answer 1"] * 3
    assert len(shop.asked) == 2

    clock.now = 1000.95
    late = await visitor.crowd(5, visitor.get)  # the others wait for the request under way
    shop.doors.set()
    assert [(await answer).content for answer in late] == [b"answer 2"] * 5
    assert len(shop.asked) == 2


async def test_an_answer_is_as_old_as_the_question(visit: Visit, clock: Clock) -> None:
    shop = Shop()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        clock.now += 0.5  # Django has read the body, and has not answered
        await shop(scope, receive, send)

    visitor = await visit(slow)
    assert (await visitor.get()).content == b"answer 1"
    clock.now += 0.44
    assert (await visitor.get()).content == b"answer 1"
    await until_renewed(visitor)
    clock.now += 0.5

    assert (await visitor.get()).content == b"answer 3"


async def test_what_nobody_asked_for_in_time_is_asked_for_while_they_wait(visit: Visit, clock: Clock) -> None:
    visitor = await visit(shop := Shop())
    await visitor.get()
    clock.now = 1000.95

    assert (await visitor.get()).content == b"answer 2"
    assert len(shop.asked) == 2


async def test_a_shop_that_fails_is_hidden_until_the_answer_is_too_old(visit: Visit, clock: Clock) -> None:
    visitor = await visit(shop := Shop())
    await visitor.get()
    shop.status = 503

    clock.now = 1000.2
    for _ in range(3):
        assert (await visitor.get()).content == b"answer 1"
        await until_renewed(visitor)
    clock.now = 1000.95
    assert (await visitor.get()).status_code == 503


async def test_a_shop_that_breaks_while_it_is_asked_again_is_logged_and_asked_anew(
    visit: Visit, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop()

    async def stumbling(scope: Scope, receive: Receive, send: Send) -> None:
        if len(shop.asked) == 1:
            shop.asked.append("stumbled")
            raise ConnectionResetError("the ledger hung up")
        await shop(scope, receive, send)

    visitor = await visit(stumbling)
    await visitor.get()
    clock.now = 1000.2

    assert (await visitor.get()).content == b"answer 1"
    await until_renewed(visitor)
    assert "cached_response_not_renewed" in caplog.text
    assert (await visitor.get()).content == b"answer 1"
    await until_renewed(visitor)
    assert (await visitor.get()).content == b"answer 3"


async def test_whoever_asks_again_does_so_for_nobody_in_particular(visit: Visit, clock: Clock) -> None:
    """The first visitor's cookies are not stored and not sent with later requests for the shared response."""
    seen: list[dict[bytes, bytes]] = []
    shop = Shop({**PUBLIC, "Vary": "Accept-Language, Accept-Encoding"})

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope["headers"]))
        await shop(scope, receive, send)

    visitor = await visit(noting)
    await visitor.get(cookie="sessionid=ann", accept_encoding="gzip", x_forwarded_for="203.0.113.7")
    clock.now = 1000.2
    await visitor.get(cookie="sessionid=ben", accept_encoding="gzip")
    await until_renewed(visitor)

    assert seen[0][b"cookie"] == b"sessionid=ann"
    assert seen[1] == {b"host": b"127.0.0.1", b"accept-encoding": b"gzip"}


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("max-age=315360000, public, immutable", 60.0),
        ("public, immutable, max-age=30", 30.0),
        ("PUBLIC, Max-Age=1", 0.2),
    ],
)
async def test_a_file_whose_name_has_its_content_is_kept_a_minute(
    visit: Visit, clock: Clock, cache_control: str, seconds: float
) -> None:
    visitor = await visit(shop := Shop({"Cache-Control": cache_control}))
    await visitor.get()

    clock.now = 1000 + seconds - 0.001
    assert (await visitor.get()).content == b"answer 1"
    assert len(shop.asked) == 1
    clock.now = 1000 + seconds
    assert (await visitor.get()).content == b"answer 1"
    await until_renewed(visitor)
    assert (await visitor.get()).content == b"answer 2"


async def test_the_age_grows_and_whoever_shares_had_a_hit(visit: Visit, clock: Clock) -> None:
    visitor = await visit(Shop({**IMMUTABLE, "Age": "4", "X-Cache": "miss"}))

    first = await visitor.get()
    second = await visitor.get()
    clock.now += 2.9
    third = await visitor.get()

    assert [(answer["Age"], answer["X-Cache"]) for answer in (first, second, third)] == [
        ("4", "miss"), ("4", "hit"), ("6", "hit")
    ]  # fmt: skip


async def test_what_told_no_age_gets_one_after_a_second(visit: Visit, clock: Clock) -> None:
    visitor = await visit(Shop(IMMUTABLE))
    await visitor.get()

    assert (await visitor.get())["Age"] is None
    clock.now += 1
    assert (await visitor.get())["Age"] == "1"


async def test_an_age_that_is_no_number_hurts_nobody(visit: Visit) -> None:
    visitor = await visit(Shop({**PUBLIC, "Age": "old"}))

    assert [(await visitor.get())["Age"] for _ in range(2)] == ["old", "old"]


async def test_a_session_does_not_make_a_public_answer_personal(visit: Visit) -> None:
    visitor = await visit(shop := Shop())

    await visitor.get(cookie="sessionid=ann")
    await visitor.get(cookie="sessionid=ben", user_agent="another")

    assert len(shop.asked) == 1


async def test_a_head_is_answered_from_a_get_without_the_body(visit: Visit) -> None:
    visitor = await visit(shop := Shop({**PUBLIC, "ETag": '"k"'}))
    get = await visitor.get()

    head = await visitor.get(method="HEAD")

    assert (head.status_code, head.headers, head.content) == (200, get.headers, b"")
    assert shop.asked == ["GET /"]


@pytest.mark.parametrize("known_as", ["nothing", "personal"])
async def test_a_head_is_no_answer_for_a_get(visit: Visit, known_as: str) -> None:
    visitor = await visit(shop := Shop())
    if known_as == "personal":
        shop.headers = {}
        await visitor.get()
        shop.headers = PUBLIC

    await visitor.get(method="HEAD")
    await visitor.get()

    assert shop.asked[-2:] == ["HEAD /", "GET /"]


async def test_a_head_waits_for_no_get(visit: Visit) -> None:
    visitor = await visit(shop := Shop())
    shop.doors.clear()
    get = asyncio.ensure_future(visitor.get())
    await eventually(lambda: shop.asked)
    head = asyncio.ensure_future(visitor.get(method="HEAD"))

    await eventually(lambda: shop.asked == ["GET /", "HEAD /"])

    shop.doors.set()
    await asyncio.gather(get, head)


async def test_what_is_shared_and_what_is_asked_is_counted(visit: Visit) -> None:
    visitor = await visit(Shop())
    before = counted()

    await visitor.get()
    for _ in range(3):
        await visitor.get()
    await visitor.get(method="POST")

    visitor.application.tally.flush()
    assert (counted()[0] - before[0], counted()[1] - before[1]) == (3, 2)


def counted() -> tuple[int, int]:
    """Return the numbers of shared and of fetched responses, by Prometheus."""
    values = {
        sample.labels["result"]: int(sample.value)
        for metric in RESPONSE_CACHE.collect()
        for sample in metric.samples
        if sample.name == "seckill_response_cache_total"
    }
    return values["hit"], values["miss"]


# --- separate entries -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"host": "127.0.0.1"}, {"host": "localhost"}),
        ({"x_forwarded_proto": "http"}, {"x_forwarded_proto": "https"}),
        ({"path": "/sales/1/"}, {"path": "/sales/2/"}),
    ],
)
async def test_addresses_are_kept_apart(visit: Visit, one: dict[str, Any], other: dict[str, Any]) -> None:
    visitor = await visit(shop := Shop())

    answers = [(await visitor.get(**which)).content for which in (one, other, one, other)]

    assert answers == [b"answer 1", b"answer 2", b"answer 1", b"answer 2"]
    assert len(shop.asked) == 2


@pytest.mark.parametrize("name", ["accept", "accept_encoding", "origin"])
async def test_forms_that_vary_names_are_kept_apart(visit: Visit, name: str) -> None:
    visitor = await visit(shop := Shop({**PUBLIC, "Vary": name.replace("_", "-").title()}))

    forms: list[dict[str, Any]] = [{name: form} for form in ("x, y", "z", "")]
    answers = [(await visitor.get(**form)).content for form in (*forms, *forms)]

    assert answers == [b"answer 1", b"answer 2", b"answer 3"] * 2
    assert len(shop.asked) == 3


async def test_forms_that_vary_does_not_name_are_one(visit: Visit) -> None:
    visitor = await visit(shop := Shop({**PUBLIC, "Vary": "Accept-Encoding"}))

    for number in range(5):
        await visitor.get(accept=f"a/{number}", accept_language=f"x-{number}", origin=f"o{number}")

    assert len(shop.asked) == 1


async def test_browsers_that_want_the_same_language_in_other_words_share(visit: Visit) -> None:
    visitor = await visit(shop := Shop({**PUBLIC, "Vary": "Accept-Language"}))

    for wanted in ("en", "en-US,en;q=0.9", "", "*", "tlh", "de, it;q=0.5", *(f"x-{n}" for n in range(300))):
        assert (await visitor.get(accept_language=wanted)).content == b"answer 1"
    for wanted in (CHINESE, "zh-hans", "zh", "fr, zh-CN;q=0.1"):
        assert (await visitor.get(accept_language=wanted)).content == b"answer 2"

    assert len(shop.asked) == 2


async def test_an_address_varies_on_whatever_it_has_ever_varied_on(visit: Visit, clock: Clock) -> None:
    visitor = await visit(shop := Shop({**PUBLIC, "Vary": "Accept-Encoding"}))
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


async def test_a_repeated_request_is_looked_up_anew_once_its_address_varies_on_more(visit: Visit, clock: Clock) -> None:
    visitor = await visit(shop := Shop())
    async with await Wire.open(visitor.port) as wire:
        for _ in range(3):
            wire.send(request_bytes("GET", "/", {"accept": "a/b"}))
            assert (await wire.answer()).text == "answer 1"

        shop.headers["Vary"] = "Accept"
        clock.now += 1
        await visitor.get(accept="c/d")
        for _ in range(3):
            wire.send(request_bytes("GET", "/", {"accept": "a/b"}))
            assert (await wire.answer()).text == "answer 3"


async def test_who_waits_is_not_given_a_form_they_cannot_read(visit: Visit, clock: Clock) -> None:
    visitor = await visit(shop := Shop())
    await visitor.get()  # so far the responses had no Vary
    shop.headers["Vary"] = "Accept-Encoding"
    clock.now += 1
    encodings = iter(["gzip", "", ""])

    answers = await crowd(visitor, 3, lambda: visitor.get(accept_encoding=next(encodings)), shop)

    assert [answer.content for answer in answers] == [b"answer 2", b"answer 3", b"answer 4"]


# --- not shared -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "POST"},
        {"method": "OPTIONS"},
        {"path": "/?next=/"},
        {"version": "1.0"},  # and no Host
        {"authorization": "Bearer x"},
        {"range": "bytes=0-1"},
        {"if_range": '"k"'},
        {"if_match": '"k"'},
        {"if_modified_since": "Sat, 21 Nov 2026 12:50:33 GMT"},
        {"if_unmodified_since": "Sat, 21 Nov 2026 12:50:33 GMT"},
        {"content_length": "2", "body": b"ab"},
        {"transfer_encoding": "chunked", "body": b"0\r\n\r\n"},
    ],
    ids=lambda request: next(iter(request)),
)
async def test_a_request_that_is_not_plain_neither_gets_nor_leaves_a_shared_answer(
    visit: Visit, request_: dict[str, Any]
) -> None:
    visitor = await visit(shop := Shop())

    assert (await visitor.get(**request_)).content == b"answer 1"
    assert (await visitor.get()).content == b"answer 2"
    assert (await visitor.get(**request_)).content == b"answer 3"
    assert (await visitor.get()).content == b"answer 2"

    assert len(shop.asked) == 3


async def test_a_header_sent_twice_is_not_guessed_at(visit: Visit) -> None:
    visitor = await visit(Shop({**PUBLIC, "Vary": "Accept-Language"}))
    twice = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Language: zh-hans\r\nAccept-Language: en\r\n\r\n"

    assert (await visitor.request(twice)).content == b"answer 1"  # Django would read: zh-hans,en
    assert (await visitor.get(accept_language="en")).content == b"answer 2"


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
]


@pytest.mark.parametrize("headers", NOT_FOR_EVERYBODY, ids=str)
async def test_an_answer_that_is_not_for_everybody_is_not_shared(visit: Visit, headers: dict[str, str]) -> None:
    visitor = await visit(shop := Shop(headers))

    assert [(await visitor.get()).content for _ in range(3)] == [b"answer 1", b"answer 2", b"answer 3"]
    assert shop.asked == ["GET /"] * 3


@pytest.mark.parametrize("status", [203, 301, 404, 406, 500, 503])
async def test_only_a_200_is_shared(visit: Visit, status: int) -> None:
    visitor = await visit(Shop(status=status))

    assert [((answer := await visitor.get()).status_code, answer.content) for _ in range(2)] == [
        (status, b"answer 1"), (status, b"answer 2")
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
async def test_an_answer_that_broke_off_is_not_shared(visit: Visit) -> None:
    visitor = await visit(shop := Shop({**PUBLIC, "Content-Length": "9"}))  # and then one byte less arrives

    for _ in range(2):
        with pytest.raises(asyncio.IncompleteReadError):
            await visitor.get()

    assert shop.asked == ["GET /"] * 2


async def test_what_is_not_for_everybody_is_not_held_back(visit: Visit) -> None:
    """Chunks of an endless stream reach the client."""
    goes_on = asyncio.Event()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 (an ASGI application)
        headers = [(b"Cache-Control", b"public, max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"tick", "more_body": True})
        await goes_on.wait()
        await send({"type": "http.response.body", "body": b"tock"})

    visitor = await visit(stream)
    async with await Wire.open(visitor.port) as wire:
        wire.send(request_bytes("GET", "/"))
        await wire.until(b"tick")
        goes_on.set()
        await wire.until(b"tock")


# --- not modified -----------------------------------------------------------------------------------------------


async def test_who_has_a_shared_answer_already_is_told_so(visit: Visit) -> None:
    visitor = await visit(shop := Shop({**PUBLIC, "Vary": "Accept", "Content-Type": "text/plain", "Age": "4"}))
    await visitor.get()
    etag = (await visitor.get())["etag"]
    assert etag is not None

    unchanged = await visitor.get(if_none_match=etag)

    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers == {
        "cache-control": "public, max-age=60", "vary": "Accept", "etag": etag, "age": "4",
        "date": unchanged.headers["date"],
    }  # fmt: skip
    assert len(shop.asked) == 1


@pytest.mark.parametrize(
    ("if_none_match", "status"),
    [
        ('"k"', 304), ('W/"k"', 304), ('"a", "k"', 304), ('"a",W/"k" , "b"', 304), ("*", 304), (" * ", 304),
        ('"K"', 200), ("k", 200), ('"k', 200), ('"kk"', 200), ('"a", "b"', 200), (",", 200),
    ],
)  # fmt: skip
@pytest.mark.parametrize("etag", ['"k"', 'W/"k"'])
async def test_an_etag_is_compared_weakly(visit: Visit, etag: str, if_none_match: str, status: int) -> None:
    visitor = await visit(shop := Shop({**PUBLIC, "ETag": etag}))
    await visitor.get()

    answer = await visitor.get(if_none_match=if_none_match)

    assert (answer.status_code, answer["etag"]) == (status, etag)
    assert answer.content == (b"" if status == 304 else b"answer 1")
    assert (await visitor.get(method="HEAD", if_none_match=if_none_match)).status_code == status
    assert len(shop.asked) == 1


async def test_an_etag_of_ours_changes_with_the_content(visit: Visit, clock: Clock) -> None:
    visitor = await visit(Shop())
    await visitor.get()
    first = str((await visitor.get())["etag"])
    clock.now += 1
    await visitor.get()

    second = await visitor.get(if_none_match=first)

    assert (second.status_code, second.content) == (200, b"answer 2")
    assert second["etag"] != first


async def test_who_asks_for_all_asks_for_the_whole(visit: Visit) -> None:
    """The shop is asked for the full response. Clients with a current copy get 304, the one that asked included."""
    seen: list[bytes] = []
    shop = Shop({**PUBLIC, "ETag": '"k"'})

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(name for name, _ in scope["headers"])
        await shop(scope, receive, send)

    visitor = await visit(noting)
    shop.doors.clear()
    first, second, third = [
        *await visitor.line_up(1, lambda: visitor.get(if_none_match='"k"')),
        *await visitor.line_up(1, lambda: visitor.get(if_none_match='"k"')),
        *await visitor.line_up(1, visitor.get),
    ]
    shop.doors.set()

    assert ((await first).status_code, (await first).content) == (304, b"")
    assert ((await second).status_code, (await second).content) == (304, b"")
    assert ((await third).status_code, (await third).content) == (200, b"answer 1")
    assert seen == [b"host"]


# --- single flight ----------------------------------------------------------------------------------------------


async def test_of_fifty_who_ask_at_once_one_asks_the_shop(visit: Visit) -> None:
    visitor = await visit(shop := Shop())

    answers = await crowd(visitor, 50, visitor.get, shop)

    assert shop.asked == ["GET /"]
    assert [answer.content for answer in answers] == [b"answer 1"] * 50


async def test_an_answer_that_took_long_is_everybodys_who_waited_for_it(visit: Visit, clock: Clock) -> None:
    shop = Shop()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await shop(scope, receive, send)
        clock.now += 1  # the response is stale before another client has it

    visitor = await visit(slow)
    answers = await crowd(visitor, 50, visitor.get, shop)

    assert [answer.content for answer in answers] == [b"answer 1"] * 50
    assert len(shop.asked) == 1


async def test_who_hangs_up_while_asking_for_all_asks_to_the_end(visit: Visit) -> None:
    told: list[str] = []

    async def attentive(scope: Scope, receive: Receive, send: Send) -> None:
        """Stop when the client disconnects, as Django does."""
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

    shop = Shop()
    shop.doors.clear()
    visitor = await visit(attentive)
    [first] = await visitor.line_up(1, visitor.get)
    others = await visitor.crowd(49, visitor.get)
    first.cancel()
    await eventually(lambda: len(visitor.unanswered()) == 49)
    shop.doors.set()

    assert [(await answer).content for answer in others] == [b"answer 1"] * 49
    assert (shop.asked, told) == (["GET /"], [])


async def test_when_the_one_who_asks_is_cancelled_each_other_asks_alone(visit: Visit) -> None:
    """The server cancels requests when it ends and its grace period is over."""
    visitor = await visit(shop := Shop())
    shop.doors.clear()
    [first] = await visitor.line_up(1, visitor.get)
    [asking] = visitor.unanswered()[0].tasks
    others = await visitor.line_up(3, visitor.get)

    asking.cancel()
    await eventually(lambda: len(shop.asked) == 4)
    shop.doors.set()

    assert (await first).status_code == 500
    assert sorted([(await answer).content for answer in others]) == [b"answer 2", b"answer 3", b"answer 4"]
    assert (await visitor.get()).content == b"answer 5"  # later requests work as before
    assert (await visitor.get()).content == b"answer 5"


async def test_when_the_one_who_asks_fails_the_others_do_not(visit: Visit) -> None:
    shop = Shop()

    async def stumbling(scope: Scope, receive: Receive, send: Send) -> None:
        await shop(scope, receive, send if len(shop.asked) else fail)

    async def fail(message: Mapping[str, Any]) -> None:  # noqa: ARG001 (an ASGI send)
        raise ConnectionResetError("the ledger hung up")

    visitor = await visit(stumbling)

    failed, *others = await crowd(visitor, 4, visitor.get, shop)

    assert failed.status_code == 500
    assert [answer.content for answer in others] == [b"answer 2", b"answer 3", b"answer 4"]


async def test_one_who_stops_waiting_leaves_the_others_alone(visit: Visit) -> None:
    visitor = await visit(shop := Shop())
    shop.doors.clear()
    waiting = await visitor.line_up(4, visitor.get)
    waiting.pop(1).cancel()
    await eventually(lambda: len(visitor.unanswered()) == 3)
    shop.doors.set()

    assert [(await answer).content for answer in waiting] == [b"answer 1"] * 3
    assert len(shop.asked) == 1


async def test_who_reads_slowly_holds_nobody_up(visit: Visit) -> None:
    visitor = await visit(shop := Shop(length=256 * 1024))
    async with await Wire.open(visitor.port, receive_bytes=4096) as slow:
        slow.send(request_bytes("GET", "/"))
        await eventually(lambda: shop.asked)

        others = await asyncio.gather(visitor.get(), visitor.get())

        assert {answer.content[:9] for answer in others} == {b"answer 1 "}
        assert len((await slow.answer()).content) == 256 * 1024
    assert len(shop.asked) == 1


@pytest.mark.parametrize("headers", [{}, {"Cache-Control": "public, max-age=0"}], ids=str)
async def test_when_an_answer_turns_out_to_be_personal_everybody_asks_for_their_own(
    visit: Visit, headers: dict[str, str]
) -> None:
    visitor = await visit(shop := Shop(headers))

    answers = await crowd(visitor, 50, visitor.get, shop)

    assert len(shop.asked) == 50
    assert len({answer.content for answer in answers}) == 50


async def test_where_answers_are_personal_nobody_waits_for_anybody(visit: Visit) -> None:
    visitor = await visit(shop := Shop({}))
    await visitor.get()
    shop.doors.clear()
    visitors = [asyncio.ensure_future(visitor.get()) for _ in range(3)]

    await eventually(lambda: len(shop.asked) == 4)

    shop.doors.set()
    await asyncio.gather(*visitors)


async def test_an_address_that_was_personal_may_become_public(visit: Visit, clock: Clock) -> None:
    visitor = await visit(shop := Shop(status=503))
    await visitor.get()
    shop.status = 200

    assert [(await visitor.get()).content for _ in range(2)] == [b"answer 2"] * 2
    clock.now += 1
    answers = await crowd(visitor, 50, visitor.get, shop)

    assert [answer.content for answer in answers] == [b"answer 3"] * 50


async def test_one_bad_answer_does_not_make_an_address_personal(visit: Visit, clock: Clock) -> None:
    visitor = await visit(shop := Shop())
    await visitor.get()
    clock.now += 1
    shop.status = 503
    await visitor.get()
    shop.status = 200

    answers = await crowd(visitor, 50, visitor.get, shop)

    assert [answer.content for answer in answers] == [b"answer 3"] * 50


# --- cache size -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "asked"), [(256 * 1024, 1), (256 * 1024 + 1, 2)])
async def test_large_answers_are_not_kept(visit: Visit, length: int, asked: int) -> None:
    visitor = await visit(shop := Shop(length=length))

    assert {len((await visitor.get()).content) for _ in range(2)} == {length}
    assert len(shop.asked) == asked


async def test_of_many_answers_the_one_used_longest_ago_goes(visit: Visit) -> None:
    visitor = await visit(shop := Shop())
    for number in range(256):
        await visitor.get(f"/{number}")
    await visitor.get("/0")
    assert len(shop.asked) == 256

    await visitor.get("/256")
    await visitor.get("/0")
    assert len(shop.asked) == 257

    await visitor.get("/1")
    assert len(shop.asked) == 258


async def test_an_answer_that_was_asked_for_again_is_a_new_one(visit: Visit, clock: Clock) -> None:
    visitor = await visit(shop := Shop())
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


async def test_strangers_fill_no_memory(visit: Visit, clock: Clock) -> None:
    visitor = await visit(shop := Shop())

    for number in range(300):
        await visitor.get(host=f"host-{number}.example")
    clock.now += 1
    shop.status = 404
    for number in range(1100):
        await visitor.get(f"/invented/{number}")

    public = visitor.application.public
    assert (len(public._answers), len(public._vary), len(public._in_flight), len(public._renewing)) == (256, 1024, 0, 0)


async def test_while_somebody_asks_for_an_answer_it_is_not_renewed_as_well(visit: Visit, clock: Clock) -> None:
    visitor = await visit(shop := Shop())
    public = visitor.application.public
    await visitor.get()
    (key,) = public._answers
    shop.doors.clear()
    asking = asyncio.create_task(public(public._answers[key].scope, _stay, _drop))
    await eventually(lambda: len(shop.asked) == 2)
    clock.now += 0.3  # the entries are stale by now

    assert (await visitor.get()).content == b"answer 1"
    renewing = public._renewing[key] = asyncio.create_task(public._renew(key, public._answers[key].scope))
    await renewing
    shop.doors.set()
    await asking

    assert shop.asked == ["GET /", "GET /"]
    assert (await visitor.get()).content == b"answer 2"


async def _stay() -> Message:
    return await asyncio.Event().wait()  # type: ignore[return-value]  # for ever


async def _drop(_message: Message) -> None:
    """Discard a sent message."""
