"""Groups: what arrives while one call is under way goes together into the next."""

import asyncio
from collections.abc import Sequence

import pytest

from seckill.gate.groups import Group
from tests.gate.door import WAIT_SECONDS_MAX


class Counter:
    """A slow call that numbers what it is given, and notes the groups it got."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.called = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.fault: Exception | None = None

    async def commit(self, items: Sequence[str]) -> list[str]:
        self.groups.append(list(items))
        self.called.set()
        await self.may_answer.wait()
        if self.fault is not None:
            raise self.fault
        return [f"{len(self.groups)}:{item}" for item in items]


async def test_a_lone_item_goes_at_once() -> None:
    counter = Counter()
    counter.may_answer.set()
    group = Group(counter.commit, largest=10)

    assert await group.join("a") == "1:a"
    assert await group.join("b") == "2:b"

    assert counter.groups == [["a"], ["b"]]


async def test_what_arrives_meanwhile_is_the_next_group_in_order() -> None:
    counter = Counter()
    group = Group(counter.commit, largest=10)
    first = asyncio.create_task(group.join("a"))
    await counter.called.wait()
    rest = [asyncio.create_task(group.join(item)) for item in "bcd"]
    await asyncio.sleep(0)
    assert counter.groups == [["a"]]  # one group at a time

    counter.may_answer.set()

    assert await asyncio.gather(first, *rest) == ["1:a", "2:b", "2:c", "2:d"]
    assert counter.groups == [["a"], ["b", "c", "d"]]


async def test_no_group_is_larger_than_allowed() -> None:
    counter = Counter()
    counter.may_answer.set()
    group = Group(counter.commit, largest=3)

    assert await asyncio.gather(*(group.join(item) for item in "abcdefg")) == [
        "1:a", "1:b", "1:c", "2:d", "2:e", "2:f", "3:g",
    ]  # fmt: skip


async def test_a_fault_is_told_to_its_group_and_to_no_other() -> None:
    counter = Counter()
    counter.fault = RuntimeError("the kettle boiled over")
    counter.may_answer.set()
    group = Group(counter.commit, largest=2)

    async with asyncio.timeout(WAIT_SECONDS_MAX):
        failed = await asyncio.gather(group.join("a"), group.join("b"), return_exceptions=True)
    counter.fault = None

    assert [repr(error) for error in failed] == ["RuntimeError('the kettle boiled over')"] * 2
    assert await group.join("c") == "2:c"


async def test_whoever_leaves_takes_nobody_along() -> None:
    counter = Counter()
    group = Group(counter.commit, largest=10)
    tasks = [asyncio.create_task(group.join(item)) for item in "abc"]
    await counter.called.wait()

    tasks[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    counter.may_answer.set()

    async with asyncio.timeout(WAIT_SECONDS_MAX):
        assert [await tasks[0], await tasks[2]] == ["1:a", "1:c"]
    assert counter.groups == [["a", "b", "c"]]
