"""The response cache: what is kept apart, and what is not shared."""

import asyncio
from typing import Any

import pytest

from seckill.gate.asgi import Receive, Scope, Send
from tests.gate.clock import Clock
from tests.gate.counting_shop import PUBLIC, Shop, crowd
from tests.gate.visitor import CHINESE, Visit
from tests.gate.wire import Wire, request_bytes

pytestmark = pytest.mark.usefixtures("clock")


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
