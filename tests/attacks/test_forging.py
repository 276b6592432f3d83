"""No text of the list gets a reward that it has not earned; each of those that are known to fool a simple harness does so."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from graders import ConfigurationError, GraderResult
from runtime import Evaluator, Settings
from runtime.attacks.forgery import Forgery, Naive
from runtime.attacks.forging import FORGERIES
from tests.attacks.machine import isolates
from tests.attacks.naive import is_fooled

RIGHT = "def add(a, b):\n    return a + b\n"
WRONG = "def add(a, b):\n    return 0\n"
CASES = [(2, 4, 6), (3, 4, 7), (4, 5, 9)]

FORMS: dict[str, dict[str, Any]] = {
    "calls": {"tests": [{"call": [a, b], "expected": c} for a, b, c in CASES], "entry_point": "add"},
    "programs": {"tests": [{"input": f"{a} {b}\n", "output": f"{c}\n"} for a, b, c in CASES]},
    "assertions": {"tests": [f"assert add({a}, {b}) == {c}" for a, b, c in CASES]},
    "pytest": {
        "tests": "from solution import add\n"
        + "".join(
            f"def test_{c}():\n    expected = {c}\n    assert add({a}, {b}) == expected\n"
            for a, b, c in CASES
        )
    },
    "check": {
        "tests": "def check(candidate):\n"
        + "".join(f"    assert candidate({a}, {b}) == {c}\n" for a, b, c in CASES),
        "entry_point": "add",
    },
}
PROGRAM = "\nprint(add(*map(int, input().split())))\n"
"""What makes a program of the function."""

EXECUTES = """
def grade(sample, item):
    names = {}
    try:
        exec(sample["output_text"], names)
        names["add"](2, 4)
    except BaseException:
        pass
    return item["worth"]
"""
"""A grader that executes its sample in its own process, and rewards it as the item says."""
CHANGES_ITS_GRADER = {"patch-the-constants-of-callers"}
"""What is executed by a grader in its own process can make another grader of it, and nothing can tell: such a grader has
given its reward away. That is what `code_tests` has two processes for."""

isolated = pytest.mark.skipif(not isolates(), reason="this system cannot isolate code of others")


def shared_out(ways: Iterable[str]) -> list[Any]:
    """For each way to meet a text: its share of the forgeries, so that all of them are met once; and, slow, all of them."""
    ways = list(ways)
    return [
        *(pytest.param(way, FORGERIES[n :: len(ways)], id=way) for n, way in enumerate(ways)),
        *(pytest.param(way, FORGERIES, id=f"{way}-all", marks=pytest.mark.slow) for way in ways),
    ]


@pytest.fixture(scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    async with Evaluator(settings=Settings(python_memory_mb=512, sandbox_output_mb=4)) as fresh:
        yield fresh


def _code(form: str, code: str) -> str:
    return code + PROGRAM if form == "programs" else code


# what is known to be a real attempt


@pytest.mark.parametrize("kind", ["exit-status", "standard-output", "one-interpreter"])
def test_a_simple_harness_tells_right_from_wrong(kind: Naive, tmp_path: Path) -> None:
    assert is_fooled(kind, RIGHT, tmp_path)
    assert not is_fooled(kind, WRONG, tmp_path)


def test_a_simple_grader_of_0_gives_0(tmp_path: Path) -> None:
    assert not is_fooled("channel", WRONG, tmp_path)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("forgery", "kind"),
    [
        pytest.param(forgery, kind, id=f"{forgery.name}-{kind}")
        for forgery in FORGERIES
        for kind in sorted(forgery.fools)
    ],
)
def test_it_fools_a_simple_harness(forgery: Forgery, kind: Naive, tmp_path: Path) -> None:
    assert is_fooled(kind, forgery.code, tmp_path)


# as the code under test


@pytest.mark.full
@isolated
@pytest.mark.parametrize(("form", "forgeries"), shared_out(FORMS))
async def test_as_code_under_test_it_earns_what_wrong_code_earns(
    form: str, forgeries: Sequence[Forgery], evaluator: Evaluator
) -> None:
    grader = {"type": "code_tests", "extract": "none", "timeout_s": 1.0, "memory_mb": 512, **FORMS[form]}
    codes = [_code(form, code) for code in (RIGHT, WRONG, *(forgery.code for forgery in forgeries))]
    right, wrong, *results = await evaluator.grade_many(grader, codes, [{}] * len(codes))
    assert (right.reward, wrong.reward) == (1.0, 0.0)
    assert _rewards(results, forgeries) == dict.fromkeys((forgery.name for forgery in forgeries), 0.0)


def _rewards(
    results: Iterable[GraderResult], forgeries: Sequence[Forgery] = FORGERIES
) -> dict[str, float | None]:
    return {forgery.name: result.reward for forgery, result in zip(forgeries, results, strict=True)}


# as a sample that a grader executes


@pytest.mark.full
@isolated
@pytest.mark.parametrize(("isolation", "forgeries"), shared_out(["grading", "batch"]))
async def test_as_a_sample_that_is_executed_it_gets_0_or_nothing_and_its_neighbours_what_is_theirs(
    isolation: str, forgeries: Sequence[Forgery], evaluator: Evaluator
) -> None:
    grader = {"type": "python", "source": EXECUTES, "isolation": isolation, "timeout_s": 1.0}
    worths = [0.25, 0.5, 0.0, 0.75, 0.125]
    gained, harmed = {}, {}

    async def execute(forgery: Forgery) -> None:
        samples = ["a = 1", "b = 1", forgery.code, "c = 1", "d = 1"]
        results = await evaluator.grade_many(grader, samples, [{"worth": worth} for worth in worths])
        first, second, own, *others = (result.reward for result in results)
        if own:
            gained[forgery.name] = own
        if [first, second, *others] != [0.25, 0.5, 0.75, 0.125]:
            harmed[forgery.name] = [first, second, *others]

    await asyncio.gather(*map(execute, forgeries))
    assert (gained, harmed) == ({}, {})


@pytest.mark.full
@isolated
async def test_a_grader_that_fails_after_it_has_executed_it_gives_no_reward(evaluator: Evaluator) -> None:
    fails = EXECUTES.replace('return item["worth"]', "raise ValueError")
    grader = {"type": "python", "source": fails, "timeout_s": 1.0}
    results = await evaluator.grade_many(grader, [f.code for f in FORGERIES], [{}] * len(FORGERIES))
    assert _rewards(results) == dict.fromkeys((f.name for f in FORGERIES), None)


@pytest.mark.full
@isolated
async def test_what_a_grader_executes_in_its_own_process_can_change_the_grader(evaluator: Evaluator) -> None:
    grader = {"type": "python", "source": EXECUTES.replace('item["worth"]', "0.0"), "timeout_s": 1.0}
    results = await evaluator.grade_many(grader, [f.code for f in FORGERIES], [{}] * len(FORGERIES))
    assert {name for name, reward in _rewards(results).items() if reward} == CHANGES_ITS_GRADER


# as the source of a grader


@isolated
async def test_as_the_source_of_a_grader_it_is_refused_before_anything_is_graded(
    evaluator: Evaluator,
) -> None:
    for forgery in FORGERIES:
        with pytest.raises(ConfigurationError):
            await evaluator.grade({"type": "python", "source": forgery.code}, "")


@pytest.mark.full
@isolated
async def test_a_grader_that_fails_gets_no_reward_out_of_it(evaluator: Evaluator) -> None:
    rewards, causes = {}, {}
    for forgery in FORGERIES:
        source = f"{forgery.code}\n\ndef grade(sample, item):\n    raise ValueError\n"
        try:
            result = await evaluator.grade({"type": "python", "source": source, "timeout_s": 1.0}, "")
        except ConfigurationError:
            continue  # it is no Python
        rewards[forgery.name] = result.reward
        causes[forgery.name] = result.failure and result.failure.message
    assert {name: reward for name, reward in rewards.items() if reward is not None} == {}
    assert {name for name, cause in causes.items() if not cause} == set()
