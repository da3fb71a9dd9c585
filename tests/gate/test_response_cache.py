"""The response cache: an answer is shared, renewed in time, and tells its age."""

import asyncio

import pytest

from devtools.waiting import wait_until_async
from seckill.gate.asgi import Receive, Scope, Send
from seckill.gate.metrics import RESPONSE_CACHE
from tests.gate.clock import Clock
from tests.gate.counting_shop import PUBLIC, Shop
from tests.gate.visitor import Visit, Visitor

pytestmark = pytest.mark.usefixtures("clock")


IMMUTABLE = {"Cache-Control": "max-age=315360000, public, immutable"}  # set by WhiteNoise


async def until_renewed(visitor: Visitor) -> None:
    """Wait until no background request to the shop is under way."""
    await wait_until_async("not visitor.application.public._renewing", lambda: not visitor.application.public._renewing)


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
    await wait_until_async("shop.asked", lambda: shop.asked)
    head = asyncio.ensure_future(visitor.get(method="HEAD"))

    await wait_until_async("shop.asked == ['GET /', 'HEAD /']", lambda: shop.asked == ["GET /", "HEAD /"])

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
