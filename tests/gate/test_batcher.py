"""Batcher: requests that arrive during a call are submitted together in the next call."""

import asyncio

import pytest

from devtools.waiting import wait_until_async
from seckill.gate import batcher as groups
from seckill.gate.batcher import Batcher


class Counter:
    """A slow call that records the batches it got and the requests that failed."""

    def __init__(self) -> None:
        self.groups: list[str] = []
        self.failed: list[tuple[str, str]] = []
        self.may_answer = asyncio.Event()
        self.fault: Exception | None = None

    async def commit(self, items: list[str]) -> None:
        self.groups.append("".join(items))
        await self.may_answer.wait()
        if self.fault is not None:
            raise self.fault

    async def fail(self, items: list[str], error: Exception) -> None:
        self.failed.append(("".join(items), str(error)))


@pytest.fixture
async def counter() -> Counter:
    return Counter()


def batcher_of(counter: Counter, *, largest: int = 10, at_once: int = 1) -> Batcher[str]:
    return Batcher(counter.commit, counter.fail, largest=largest, at_once=at_once)


async def test_a_lone_item_goes_at_once(counter: Counter) -> None:
    counter.may_answer.set()
    batcher = batcher_of(counter)
    assert batcher.is_idle

    assert batcher.submit("a")
    assert not batcher.is_idle
    await wait_until_async("the batcher is idle", lambda: batcher.is_idle)
    assert batcher.submit("b")
    await wait_until_async("the batcher is idle", lambda: batcher.is_idle)

    assert (counter.groups, counter.failed) == (["a", "b"], [])


async def test_what_arrives_meanwhile_is_the_next_batch_in_order(counter: Counter) -> None:
    batcher = batcher_of(counter)
    batcher.submit("a")
    await wait_until_async("counter.groups == ['a']", lambda: counter.groups == ["a"])

    for item in "bcd":
        batcher.submit(item)
        await asyncio.sleep(0)
    assert counter.groups == ["a"]  # one batch at a time
    counter.may_answer.set()
    await wait_until_async("the batcher is idle", lambda: batcher.is_idle)

    assert counter.groups == ["a", "bcd"]


async def test_so_many_batches_are_under_way_together_and_no_more(counter: Counter) -> None:
    batcher = batcher_of(counter, at_once=2)
    batcher.submit("a")
    await wait_until_async("counter.groups == ['a']", lambda: counter.groups == ["a"])
    batcher.submit("b")
    await wait_until_async("counter.groups == ['a', 'b']", lambda: counter.groups == ["a", "b"])

    for item in "cd":
        batcher.submit(item)
        await asyncio.sleep(0)
    assert counter.groups == ["a", "b"]
    counter.may_answer.set()
    await wait_until_async("the batcher is idle", lambda: batcher.is_idle)

    assert counter.groups == ["a", "b", "cd"]


async def test_who_comes_in_the_moment_the_last_batch_ends_is_served() -> None:
    groups_: list[str] = []

    async def commit(items: list[str]) -> None:
        groups_.append("".join(items))
        if items == ["a"]:
            task = asyncio.current_task()
            assert task is not None
            task.add_done_callback(lambda _: batcher.submit("b"))

    async def fail(items: list[str], error: Exception) -> None:
        raise AssertionError(items) from error

    batcher = Batcher(commit, fail, largest=10)
    batcher.submit("a")

    await wait_until_async("groups_ == ['a', 'b']", lambda: groups_ == ["a", "b"])


async def test_no_batch_is_larger_than_allowed(counter: Counter) -> None:
    counter.may_answer.set()
    batcher = batcher_of(counter, largest=3)

    assert all(batcher.submit(item) for item in "abcdefg")
    await wait_until_async("the batcher is idle", lambda: batcher.is_idle)

    assert counter.groups == ["abc", "def", "g"]


async def test_a_fault_fails_everybody_who_waits_at_once(counter: Counter) -> None:
    """Each later batch would meet the same fault, one time-out after the other."""
    batcher = batcher_of(counter, largest=2)
    for item in "abcdefg":
        batcher.submit(item)
    await wait_until_async("counter.groups == ['ab']", lambda: counter.groups == ["ab"])
    counter.fault = RuntimeError("the kettle boiled over")

    counter.may_answer.set()
    await wait_until_async("the batcher is idle", lambda: batcher.is_idle)

    assert counter.failed == [("abcdefg", "the kettle boiled over")]
    assert counter.groups == ["ab"]


async def test_who_comes_after_a_fault_is_served(counter: Counter) -> None:
    counter.fault = RuntimeError("the kettle boiled over")
    counter.may_answer.set()
    batcher = batcher_of(counter)
    batcher.submit("a")
    await wait_until_async("the batcher is idle", lambda: batcher.is_idle)
    counter.fault = None

    batcher.submit("b")
    await wait_until_async("the batcher is idle", lambda: batcher.is_idle)

    assert counter.groups == ["a", "b"]
    assert counter.failed == [("a", "the kettle boiled over")]


async def test_not_more_may_wait_than_a_process_takes(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "WAITING_MAX", 3)
    batcher = batcher_of(counter)
    batcher.submit("a")
    await wait_until_async("counter.groups == ['a']", lambda: counter.groups == ["a"])

    assert [batcher.submit(item) for item in "bcde"] == [True, True, True, False]
    counter.may_answer.set()
    await wait_until_async("the batcher is idle", lambda: batcher.is_idle)

    assert counter.groups == ["a", "bcd"]
    assert batcher.submit("f")
    await wait_until_async("the batcher is idle", lambda: batcher.is_idle)
