"""The response cache: of many who ask at once one asks the shop, and its size is limited."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from devtools.waiting import wait_until_async
from seckill.gate.asgi import Message, Receive, Scope, Send
from tests.gate.clock import Clock
from tests.gate.counting_shop import Shop, crowd
from tests.gate.visitor import Visit
from tests.gate.wire import Wire, request_bytes

pytestmark = pytest.mark.usefixtures("clock")


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
    await wait_until_async("len(visitor.unanswered()) == 49", lambda: len(visitor.unanswered()) == 49)
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
    await wait_until_async("len(shop.asked) == 4", lambda: len(shop.asked) == 4)
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
    await wait_until_async("len(visitor.unanswered()) == 3", lambda: len(visitor.unanswered()) == 3)
    shop.doors.set()

    assert [(await answer).content for answer in waiting] == [b"answer 1"] * 3
    assert len(shop.asked) == 1


async def test_who_reads_slowly_holds_nobody_up(visit: Visit) -> None:
    visitor = await visit(shop := Shop(length=256 * 1024))
    async with await Wire.open(visitor.port, receive_bytes=4096) as slow:
        slow.send(request_bytes("GET", "/"))
        await wait_until_async("shop.asked", lambda: shop.asked)

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

    await wait_until_async("len(shop.asked) == 4", lambda: len(shop.asked) == 4)

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
    await wait_until_async("len(shop.asked) == 2", lambda: len(shop.asked) == 2)
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
