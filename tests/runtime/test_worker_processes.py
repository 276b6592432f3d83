"""The worker processes of an evaluator: how many there are, that one may be killed, and that none outlives it.

Each test has an evaluator of its own and counts processes, so that no other evaluator may run in the module.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from runtime import Evaluator, Settings
from runtime.workers.queue import SPARES
from tests.processes import children, descendants, remaining


@pytest.fixture
async def evaluator(quick: Settings) -> AsyncIterator[Evaluator]:
    async with Evaluator(settings=quick) as fresh:
        yield fresh


async def test_a_worker_killed_from_outside_changes_no_reward(evaluator: Evaluator) -> None:
    slow = {"type": "slow", "seconds": 0.02}
    await evaluator.prepare(slow)
    grading = asyncio.create_task(evaluator.grade_many(slow, [f"{n}" for n in range(50)], [{}] * 50))
    await asyncio.sleep(0.3)
    os.kill(max(descendants(os.getpid())), signal.SIGKILL)
    assert (await grading).rewards.tolist() == [1.0] * 50


@pytest.mark.full
async def test_gradings_run_in_other_processes_and_at_most_two_at_once(evaluator: Evaluator) -> None:
    others = children(os.getpid())
    gradings = await evaluator.grade_many({"type": "process_id"}, [f"{n}" for n in range(500)], [{}] * 500)
    assert os.getpid() not in gradings.rewards.tolist()
    assert 1 <= len(children(os.getpid()) - others) <= 2


@pytest.mark.full
async def test_no_worker_outlives_its_evaluator(quick: Settings) -> None:
    async with Evaluator(settings=quick) as evaluator:
        await evaluator.grade({"type": "process_id"}, "")
        await evaluator.prepare({"type": "hostile"})
        spinning = asyncio.create_task(evaluator.grade({"type": "hostile"}, "spin"))
        await asyncio.sleep(0.5)
        workers = descendants(os.getpid())
    with pytest.raises((asyncio.CancelledError, RuntimeError)):
        await spinning
    assert len(workers) >= 2
    assert remaining(workers) == set()


@pytest.mark.full
async def test_many_graders_of_a_function_share_two_workers_and_none_is_mixed_up(
    evaluator: Evaluator,
) -> None:
    others = children(os.getpid())
    graders = [evaluator.load({"type": "keyword", "words": [f"{n}."]}) for n in range(24)]
    for shift, reward in [(0, 1.0), (1, 0.0)]:
        results = await asyncio.gather(
            *(evaluator.grade(grader, f"{n + shift}.") for n, grader in enumerate(graders))
        )
        assert {result.reward for result in results} == {reward}
    assert len(children(os.getpid()) - others) <= 2


@pytest.mark.full
@pytest.mark.parametrize("count", [2, pytest.param(SPARES + 3, marks=pytest.mark.slow)])
async def test_graders_of_a_class_have_workers_of_their_own_of_which_few_are_kept(
    evaluator: Evaluator, count: int
) -> None:
    others = children(os.getpid())
    graders = [evaluator.load({"type": "starts_with", "prefix": f"{n}."}) for n in range(count)]
    # every one, and then some whose workers were kept
    for first, shift, reward in [(0, 0, 1.0), (max(0, count - 3), 1, 0.0)]:
        results = [
            await evaluator.grade(grader, f"{n + shift}.") for n, grader in enumerate(graders[first:], first)
        ]
        assert {result.reward for result in results} == {reward}
    # one may be about to end
    assert len(children(os.getpid()) - others) <= min(count, SPARES + 2) + 1
