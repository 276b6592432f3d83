"""Slots are assigned client by client, and long-running gradings are overtaken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from graders import GradingError
from runtime import Settings
from runtime.sandbox.local_sandbox import LocalSandbox
from runtime.sandbox.processes.scheduler import STALE_SECONDS, RuntimeEstimate, Slots
from tests.runtime.sandbox.isolation import ISOLATES

SOURCE = """
import time

def grade(sample, item):
    if item.get("hang"):
        while True:
            pass
    time.sleep(item.get("sleep", 0))
    return item["reward"]
"""


@asynccontextmanager
async def one_place(timeout_s: float = 60.0) -> AsyncIterator[LocalSandbox]:
    """A sandbox in which one grading works at a time."""
    small = Settings(sandbox_processes=1, python_memory_mb=512, python_disk_mb=16, python_timeout_s=timeout_s)
    box = LocalSandbox(small)
    try:
        yield box
    finally:
        await box.aclose()


@asynccontextmanager
async def ordering(places: int, stale_seconds: float = STALE_SECONDS) -> AsyncIterator["Order"]:
    """A room, in which nobody is left at the end."""
    order = Order(places, stale_seconds)
    try:
        yield order
    finally:
        await order.end()


class Order:
    """Who got a place of a room, in that order; each keeps it until it is told to leave."""

    def __init__(self, places: int, stale_seconds: float = STALE_SECONDS) -> None:
        self.room, self.served = Slots(places, stale_seconds), list[str]()
        self._leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, *names: str, client: str = "one", preempted: int = 0) -> None:
        """Let some ask for a place each."""
        for name in names:
            leave = self._leave[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._stay(name, client, preempted, leave))
            await self._settle()

    async def leave(self, name: str) -> None:
        """Let somebody go."""
        self._leave[name].set()
        await self._settle()

    async def give_up(self, name: str) -> None:
        """Cancel somebody."""
        self.tasks[name].cancel()
        await self._settle()

    async def _stay(self, name: str, client: str, preempted: int, leave: asyncio.Event) -> None:
        async with self.room.place(client, preempted=preempted):
            self.served.append(name)
            await leave.wait()

    async def end(self) -> None:
        """Let nobody stay."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    @staticmethod
    async def _settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_no_more_are_at_work_than_there_are_places_and_none_stays_empty() -> None:
    async with ordering(2) as order:
        await order.come(*"abcd")
        assert order.served == ["a", "b"]
        assert order.room.waiting == 2
        await order.leave("b")
        await order.leave("a")
        assert order.served == ["a", "b", "c", "d"]
        assert not order.room.is_wanted(0)


async def test_a_client_with_one_grading_does_not_wait_for_the_flood_of_another() -> None:
    async with ordering(1) as order:
        await order.come("flood 1", "flood 2", "flood 3", client="flood")
        await order.come("quiet 1", client="quiet")
        assert order.served == ["flood 1", "quiet 1"]
        await order.come("quiet 2", client="quiet")  # it has one at work, and waits like everybody
        await order.come("other 1", client="other")  # the place of guests is taken
        for name in ("flood 1", "flood 2", "quiet 2"):
            await order.leave(name)
        assert order.served == ["flood 1", "quiet 1", "flood 2", "quiet 2", "other 1"]
        await order.leave("quiet 1")
        await order.come("third 1", client="third")
        assert order.served[-1] == "third 1"


async def test_a_caller_that_gives_up_takes_no_place_and_leaves_none_empty() -> None:
    async with ordering(1) as order:
        await order.come(*"abcd")
        await order.give_up("b")
        await order.give_up("a")
        assert order.served == ["a", "c"]
        order.tasks["d"].cancel()  # in the same moment in which it is served
        await order.leave("c")
        await order.come("e")
        assert order.served[-1] == "e"


async def test_an_overtaken_caller_is_served_when_nobody_waits_who_was_overtaken_less_often() -> None:
    async with ordering(1) as order:
        await order.come("a")
        await order.come("twice", preempted=2)
        await order.come("once", preempted=1)
        await order.come("b")
        assert order.room.is_wanted(0)
        await order.leave("a")
        assert [order.room.is_wanted(preempted) for preempted in range(4)] == [False, True, True, True]
        await order.leave("b")
        await order.leave("once")
        assert order.served == ["a", "b", "once", "twice"]


async def test_a_client_that_is_overtaken_waits_behind_its_own_and_not_behind_all_of_a_flood() -> None:
    async with ordering(1) as order:
        await order.come("flood 1", "flood 2", "flood 3", client="flood")
        await order.come("quiet again", client="quiet", preempted=1)
        await order.leave("flood 1")
        await order.leave("flood 2")
        assert order.served == ["flood 1", "flood 2", "quiet again"]


async def test_who_has_waited_for_long_gets_half_of_the_places() -> None:
    async with ordering(2, stale_seconds=-1.0) as order:
        await order.come("a", "b")
        await order.come("late 1", preempted=3)
        await order.come("late 2", preempted=1)
        await order.come("c", "d")
        await order.leave("a")
        await order.leave("b")
        assert order.served == ["a", "b", "late 1", "c"]


def test_a_grading_takes_long_by_the_mean_of_its_like() -> None:
    pace = RuntimeEstimate()
    assert [pace.patience(0), pace.patience(1)] == [0.5, 4.0]
    pace.note(0.001)
    assert [pace.patience(0), pace.patience(2)] == [0.05, 3.2]
    for _ in range(200):
        pace.note(1.0)
    assert pace.patience(0) == pytest.approx(8.0)


def test_one_that_hangs_does_not_give_the_next_one_all_of_its_time() -> None:
    pace = RuntimeEstimate()
    for _ in range(10):
        pace.note(0.01)
    pace.note(120.0)
    assert pace.patience(0) < 0.15


@pytest.mark.full
@ISOLATES
async def test_gradings_that_hang_are_overtaken_and_end_by_their_own_time() -> None:
    finished: list[object] = []
    rows: list[dict[str, object]] = [{"reward": 1}, {"hang": True}]
    rows += [{"reward": n} for n in range(2, 12)]
    async with one_place(1.0) as sandbox:

        async def grade(row: dict[str, object]) -> object:
            (answer,) = await sandbox.grade(SOURCE, [("", row)])
            finished.append(row.get("reward"))
            return answer

        answers = await asyncio.gather(*map(grade, rows))
    assert finished[-1] is None
    assert {*finished[:-1]} == {*range(1, 12)}
    assert answers[0] == 1.0
    assert answers[2:] == [float(n) for n in range(2, 12)]
    assert isinstance(answers[1], GradingError)
    assert answers[1].failure.details["type"] == "timeout"


@ISOLATES
async def test_a_long_grading_that_is_overtaken_gives_its_own_reward() -> None:
    rows: list[dict[str, object]] = [{"reward": 0}, {"reward": 7, "sleep": 1.5}]
    rows += [{"reward": n} for n in range(9)]
    async with one_place() as sandbox:
        answers = await asyncio.gather(*(sandbox.grade(SOURCE, [("", row)]) for row in rows))
    assert answers == [[0.0], [7.0], *([float(n)] for n in range(9))]
