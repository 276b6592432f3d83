"""Places are given out client by client, and whoever takes long is overtaken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from graders import GradingError
from runtime import Settings
from runtime.sandbox.box import LocalSandbox
from runtime.sandbox.room import STALE_SECONDS, Pace, Room
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


class Order:
    """Who got a place of a room, in that order; each keeps it until it is told to leave."""

    def __init__(self, places: int, stale_seconds: float = STALE_SECONDS) -> None:
        self.room, self.served = Room(places, stale_seconds), list[str]()
        self._leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, client: str, name: str, *, last: bool = False) -> None:
        """Let somebody ask for a place."""
        self._leave[name] = asyncio.Event()

        async def stay() -> None:
            async with self.room.place(client, last=last):
                self.served.append(name)
                await self._leave[name].wait()

        self.tasks[name] = asyncio.create_task(stay())
        await self._settle()

    async def leave(self, name: str) -> None:
        """Let somebody go."""
        self._leave[name].set()
        await self._settle()

    async def give_up(self, name: str) -> None:
        """Cancel somebody."""
        self.tasks[name].cancel()
        await self._settle()

    @staticmethod
    async def _settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_a_client_with_one_grading_waits_for_one_of_each_other_and_not_for_all_of_a_flood() -> None:
    order = Order(1)
    for number in range(5):
        await order.come("flood", f"flood {number}")
    await order.come("other", "other")
    for number in range(3):
        await order.leave(f"flood {number}" if number != 2 else "other")
    assert order.served == ["flood 0", "flood 1", "other", "flood 2"]


async def test_no_more_are_at_work_than_there_are_places_and_none_stays_empty() -> None:
    order = Order(2)
    for name in "abcd":
        await order.come("one", name)
    assert order.served == ["a", "b"]
    assert order.room.waiting == 2
    await order.leave("b")
    await order.leave("a")
    assert order.served == ["a", "b", "c", "d"]
    assert not order.room.is_wanted


async def test_whoever_gives_up_takes_no_place_and_leaves_none_empty() -> None:
    order = Order(1)
    for name in "abcd":
        await order.come("one", name)
    await order.give_up("b")
    await order.give_up("a")
    assert order.served == ["a", "c"]
    order.tasks["d"].cancel()  # in the same moment in which it is served
    await order.leave("c")
    await order.come("one", "e")
    assert order.served[-1] == "e"


async def test_those_who_are_to_be_served_last_are_served_when_nobody_else_waits() -> None:
    order = Order(1)
    await order.come("one", "a")
    await order.come("one", "late", last=True)
    await order.come("one", "b")
    assert order.room.waiting == 2
    await order.leave("a")
    assert order.room.waiting == 1
    await order.leave("b")
    assert order.served == ["a", "b", "late"]


async def test_who_has_waited_for_long_gets_half_of_the_places() -> None:
    order = Order(2, stale_seconds=-1.0)
    for name in ("a", "b"):
        await order.come("one", name)
    for name in ("late 1", "late 2"):
        await order.come("one", name, last=True)
    for name in ("c", "d"):
        await order.come("one", name)
    await order.leave("a")
    await order.leave("b")
    assert order.served == ["a", "b", "late 1", "c"]


def test_a_grading_takes_long_by_the_mean_of_its_like() -> None:
    pace = Pace()
    assert pace.patience == 0.5
    pace.note(0.001)
    assert pace.patience == 0.05
    for _ in range(200):
        pace.note(1.0)
    assert pace.patience == pytest.approx(8.0)


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
