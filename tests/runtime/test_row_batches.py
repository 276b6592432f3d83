"""Sources of Python graders are given many rows at once: every answer is kept, whatever ends the batch."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from graders.context import Isolation
from runtime import Evaluator, Settings
from runtime.evaluation.row_batches import AT_ONCE, ROWS
from runtime.sandbox.processes.worker_group import BATCH
from tests.runtime.sandbox.isolation import ISOLATES

pytestmark = ISOLATES

SOURCE = """
import time

def grade(sample, item):
    if item.get("slow"):
        time.sleep(30)
    if item.get("wrong"):
        raise ValueError("wrong")
    return item["n"] / 8
"""


def grader(isolation: Isolation = "batch") -> dict[str, Any]:
    return {"type": "python", "source": SOURCE, "isolation": isolation, "timeout_s": 60}


@pytest.fixture(scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    settings = Settings(python_memory_mb=256, python_disk_mb=16, python_timeout_s=60, sandbox_processes=2)
    async with Evaluator(settings=settings) as shared:
        await shared.prepare(grader())
        yield shared


@pytest.mark.full
@pytest.mark.parametrize("isolation", [pytest.param("grading", marks=pytest.mark.slow), "batch"])
async def test_a_deadline_keeps_what_is_done_and_leaves_the_rest_ungraded(
    evaluator: Evaluator, isolation: Isolation
) -> None:
    rows: list[dict[str, Any]] = [{"n": n, "wrong": n == 3} for n in range(BATCH)]
    rows += [{"n": 90, "slow": True}, {"n": 91, "slow": True}]
    graded = await evaluator.grade_many(grader(isolation), ["a"] * len(rows), rows, deadline_s=12)
    assert graded.rewards[:3].tolist() == [0, 1 / 8, 2 / 8]
    assert graded.rewards[4:BATCH].tolist() == [n / 8 for n in range(4, BATCH)]
    assert np.isnan(graded.rewards[[3, BATCH, BATCH + 1]]).all()
    causes = [(graded[n].failure.caused_by, graded[n].failure.message) for n in (3, BATCH, BATCH + 1)]  # type: ignore[union-attr]
    assert causes[0][0] == "grader"
    assert "wrong" in causes[0][1]
    assert {caused_by for caused_by, _ in causes[1:]} == {"infrastructure"}
    assert all("deadline" in message for _, message in causes[1:])
    # and nothing of it is still being done
    again = await evaluator.grade_many(grader(isolation), ["a"] * 40, rows[:40], deadline_s=12)
    assert again.rewards[4:40].tolist() == [n / 8 for n in range(4, 40)]


async def test_after_the_deadline_nothing_is_begun(evaluator: Evaluator) -> None:
    graded = await evaluator.grade_many(grader(), ["a"] * 600, [{"n": 1}] * 600, deadline_s=-1)
    assert graded.ungraded == 600
    assert {each.failure.caused_by for each in graded if each.failure} == {"infrastructure"}


async def test_equal_rows_are_each_answered(evaluator: Evaluator) -> None:
    rows = [{"n": n % 3, "wrong": n % 3 == 2} for n in range(3 * ROWS)]
    graded = await evaluator.grade_many(grader(), ["a"] * len(rows), rows, deadline_s=60)
    assert graded.rewards[:2].tolist() == [0, 1 / 8]
    assert np.isnan(graded.rewards[2::3]).all()
    assert not np.isnan(graded.rewards[::3]).any()


async def test_rows_that_cannot_be_read_cost_themselves_alone(evaluator: Evaluator) -> None:
    samples: list[object] = ["a", 7, "b", None]
    graded = await evaluator.grade_many(grader(), samples, [{"n": n} for n in range(4)])
    assert graded.rewards[[0, 2]].tolist() == [0, 2 / 8]
    assert np.isnan(graded.rewards[[1, 3]]).all()


@pytest.mark.full
async def test_a_stream_reads_rows_only_as_fast_as_its_results_are_taken(evaluator: Evaluator) -> None:
    read = 0

    def rows() -> Iterator[tuple[object, dict[str, int]]]:
        nonlocal read
        for n in range(20_000):
            read += 1
            yield "a", {"n": n}

    stream = evaluator.stream(grader(), rows(), ordered=False)
    position, result = await anext(stream)
    assert result.reward == position / 8
    for _ in range(50):  # time enough to read on
        await asyncio.sleep(0.02)
    assert read <= 3 * AT_ONCE * ROWS
    await stream.aclose()
    before = read
    await asyncio.sleep(0.2)
    assert read == before


async def test_a_stream_in_order_gives_every_row_once(evaluator: Evaluator) -> None:
    rows = (("a", {"n": n}) for n in range(2_500))
    found = [(position, result.reward) async for position, result in evaluator.stream(grader(), rows)]
    assert found == [(n, n / 8) for n in range(2_500)]


async def test_rows_that_fail_while_they_are_read_fail_the_stream(evaluator: Evaluator) -> None:
    def rows() -> Iterator[tuple[object, dict[str, int]]]:
        yield "a", {"n": 1}
        raise RuntimeError("the file is gone")

    with pytest.raises(RuntimeError, match="the file is gone"):
        async for _ in evaluator.stream(grader(), rows()):
            pass
