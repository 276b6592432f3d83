"""Kills from outside: no reward differs from that of an undisturbed run, and nobody but the machine is blamed."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from graders import GraderResult, GradingError
from runtime import Evaluator, Settings
from runtime.sandbox.local_sandbox import LocalSandbox
from tests.processes import descendants
from tests.runtime.sandbox.isolation import ISOLATES

pytestmark = ISOLATES

PYTHON = "import time\ndef grade(sample, item):\n    time.sleep(0.002)\n    return item['n'] % 8 / 8\n"
GRADERS: dict[str, Any] = {
    **{
        isolation: {"type": "python", "source": PYTHON, "isolation": isolation}
        for isolation in ("grading", "batch")
    },
    "worker": {"type": "python", "source": PYTHON},
    "code_tests": {
        "type": "code_tests",
        "extract": "none",
        "entry_point": "f",
        "tests": [
            {"call": [1], "expected": 1},
            {"call": [2], "expected": 5},
            {"source": "def test_f():\n    assert f(1) == 1\n"},
        ],
    },
    "plugin": {"type": "hostile"},
}
CODE = "import time\ndef f(x):\n    time.sleep(0.002)\n    return x\n"


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    settings = Settings(
        python_memory_mb=512,
        python_disk_mb=16,
        sandbox_processes=2,
        plugin_workers=2,
        python_isolation="worker",
    )
    async with Evaluator(settings=settings) as made:
        yield made


def rows_of(name: str, number: int) -> tuple[list[str], list[dict[str, int]]]:
    sample = {"code_tests": CODE, "plugin": "good"}.get(name, "")
    return [f"{sample}# {n}" if name == "code_tests" else sample for n in range(number)], [
        {"n": n} for n in range(number)
    ]


async def kill_some(kills: int, others: set[int]) -> int:
    """Kill processes of this one's, one after the other: zygotes, those that they fork, and workers."""
    chance, done = random.Random(7), 0  # noqa: S311  # no secret
    while done < kills:
        await asyncio.sleep(chance.uniform(0.02, 0.1))
        if living := sorted(descendants(os.getpid()) - others):
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(living), signal.SIGKILL)
                done += 1
    return done


def check(results: Sequence[GraderResult], undisturbed: Sequence[GraderResult]) -> int:
    """See that nothing differs; gives how many are ungraded because both tries were killed."""
    ungraded = 0
    for result, before in zip(results, undisturbed, strict=True):
        if result.reward is None:
            assert result.failure is not None
            assert (result.failure.caused_by, result.failure.retryable) == ("infrastructure", True), result
            ungraded += 1
        else:
            assert (result.reward, result.failure) == (before.reward, before.failure)
    return ungraded


async def disturbed(evaluator: Evaluator, name: str, gradings: int, kills: int) -> None:
    samples, items = rows_of(name, gradings)
    others = descendants(os.getpid())
    await evaluator.prepare(GRADERS[name])
    undisturbed = await evaluator.grade_many(GRADERS[name], samples, items)
    assert all(result.reward is not None for result in undisturbed)
    killing = asyncio.create_task(kill_some(kills, others))
    ungraded = rounds = 0
    while not killing.done():
        results = await evaluator.grade_many(GRADERS[name], samples, items)
        ungraded += check(results, undisturbed)
        rounds += 1
    assert await killing == kills
    assert ungraded <= max(2, kills // 2)  # those whose second try was killed as well
    check(await evaluator.grade_many(GRADERS[name], samples, items), undisturbed)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", GRADERS)
async def test_no_reward_differs_when_processes_are_killed(evaluator: Evaluator, name: str) -> None:
    await disturbed(evaluator, name, gradings=40, kills=4)


@pytest.mark.slow
@pytest.mark.parametrize("name", GRADERS)
async def test_no_reward_differs_when_many_processes_are_killed(evaluator: Evaluator, name: str) -> None:
    await disturbed(evaluator, name, gradings=2_000, kills=50)


@pytest.mark.full
async def test_a_process_that_is_killed_twice_is_ungraded_by_the_machine() -> None:
    sandbox = LocalSandbox(Settings(python_memory_mb=256, python_disk_mb=16, sandbox_processes=1))
    source = "import time\ndef grade(sample, item):\n    print('begun', flush=True)\n    time.sleep(60)\n"
    try:
        await sandbox.warm()
        others = descendants(os.getpid())
        grading = asyncio.create_task(sandbox.grade(source, [("", {})], timeout_s=50))
        while not grading.done():
            await asyncio.sleep(0.3)
            for pid in descendants(os.getpid()) - others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        (answer,) = await grading
    finally:
        await sandbox.aclose()
    assert isinstance(answer, GradingError)
    assert (answer.failure.caused_by, answer.failure.retryable) == ("infrastructure", True)
    assert answer.failure.details["type"] in ("killed", "sandbox_died", "sandbox_unavailable")
    assert answer.failure.kind.value == "python_grader_server_error"


@pytest.mark.full
async def test_the_limit_of_processor_time_is_no_kill_from_outside() -> None:
    """The kernel ends it with the same signal."""
    sandbox = LocalSandbox(
        Settings(python_memory_mb=256, python_disk_mb=16, sandbox_processes=1, python_timeout_s=1)
    )
    # two cores' worth is used up before the time limit is, as far as the time limit is by what the sample waited for
    source = "def grade(sample, item):\n    while True:\n        pass\n"
    try:
        (answer,) = await sandbox.grade(source, [("", {})])
    finally:
        await sandbox.aclose()
    assert isinstance(answer, GradingError)
    assert answer.failure.details["type"] == "timeout"
    assert answer.failure.caused_by == "grader"
