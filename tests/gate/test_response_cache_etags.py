"""The response cache: who has an answer already is told so."""

import pytest

from seckill.gate.asgi import Receive, Scope, Send
from tests.gate.clock import Clock
from tests.gate.counting_shop import PUBLIC, Shop
from tests.gate.visitor import Visit

pytestmark = pytest.mark.usefixtures("clock")


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
