"""`multi` combines rewards by a formula, and what failed never counts as a low reward."""

import math
from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import (
    CausedBy,
    FailureKind,
    Grader,
    GraderResult,
    GradingError,
    InvalidOptions,
    Item,
    Registry,
    Sample,
    grader,
)
from graders.samples.sample_column import SampleColumn
from graders.testing import FakeContext


@grader("given", range=(-2, 2))
def given_reward(sample: Sample, item: Item, *, reward: float) -> float:
    """Give this reward."""
    return reward


@grader("failing")
def failing(sample: Sample, item: Item, *, caused_by: str, message: str = "it broke") -> float:
    """Fail by somebody's doing."""
    blame: dict[str, CausedBy] = {"model": "model", "grader": "grader", "world": "infrastructure"}
    raise GradingError(message, kind=FailureKind.SAMPLE_PARSE, caused_by=blame[caused_by], retryable=True)


REGISTRY = Registry.installed().including(given_reward, failing)
ONE: dict[str, Any] = {"type": "given", "reward": 1.0}
HALF: dict[str, Any] = {"type": "given", "reward": 0.5}
MODEL: dict[str, Any] = {"type": "failing", "caused_by": "model"}
GRADER: dict[str, Any] = {"type": "failing", "caused_by": "grader"}
INFRASTRUCTURE: dict[str, Any] = {"type": "failing", "caused_by": "world", "message": "the judge is down"}


def multi(graders: Mapping[str, Any], formula: str, **more: Any) -> dict[str, Any]:
    return {"type": "multi", "graders": dict(graders), "calculate_output": formula, **more}


async def grade(config: Mapping[str, Any]) -> GraderResult:
    return await FakeContext().grade(REGISTRY.load(config), Sample("x"), {})


@grader("judged")
def judged(sample: Sample, item: Item, *, model: str, tokens: int) -> GraderResult:
    """Use up some tokens of a judge."""
    return GraderResult(1.0, usage={model: {"total_tokens": tokens}})


async def test_the_tokens_of_the_parts_add_up_by_model() -> None:
    parts = {
        name: {"type": "judged", "model": model, "tokens": n}
        for name, model, n in (("a", "x", 1), ("b", "y", 2), ("c", "x", 4))
    }
    config = multi(parts, "a + b + c")
    result = await FakeContext().grade(Registry.installed().including(judged).load(config), Sample(""), {})
    assert result.usage == {"x": {"total_tokens": 5}, "y": {"total_tokens": 2}}


async def test_the_reward_is_the_formula_over_the_keys() -> None:
    result = await grade(multi({"a": ONE, "b": HALF}, "0.25 * a + 0.5 * b"))
    assert result.reward == 0.5
    assert result.sub_rewards == {"a": 1.0, "b": 0.5}
    assert {key: part.reward for key, part in result.parts.items()} == {"a": 1.0, "b": 0.5}
    assert (result.failure, result.explanation, result.substituted) == (None, None, False)


async def test_the_variables_are_the_keys_and_not_the_names() -> None:
    assert (await grade(multi({"a": {**ONE, "name": "b"}, "b": HALF}, "a - b"))).reward == 0.5
    with pytest.raises(InvalidOptions, match="unknown variable 'accuracy'; keys of the graders: a"):
        REGISTRY.load(multi({"a": {**ONE, "name": "accuracy"}}, "accuracy"))


async def test_keys_may_be_in_any_script() -> None:
    assert (await grade(multi({"ａ": ONE, "सही": HALF}, "a + सही"))).reward == 1.5


async def test_a_part_that_the_model_failed_counts_with_its_lowest_reward() -> None:
    result = await grade(multi({"a": ONE, "b": MODEL}, "a + b"))
    assert result.reward == 1.0
    assert result.sub_rewards == {"a": 1.0, "b": 0.0}
    assert result.failure is not None
    assert (result.failure.caused_by, result.failure.kind) == ("model", FailureKind.SAMPLE_PARSE)
    assert result.explanation == "b: it broke"


@pytest.mark.parametrize(("part", "caused_by"), [(GRADER, "grader"), (INFRASTRUCTURE, "infrastructure")])
async def test_one_ungraded_part_leaves_the_whole_ungraded(part: dict[str, Any], caused_by: str) -> None:
    result = await grade(multi({"a": ONE, "b": MODEL, "c": part}, "a + b + c"))
    assert (result.reward, result.passed) == (None, None)
    assert result.sub_rewards == {"a": 1.0, "b": 0.0, "c": None}
    assert result.failure is not None
    assert result.failure.caused_by == caused_by
    assert result.failure.message.startswith("c: ")
    assert result.failure.retryable


async def test_a_part_that_the_formula_does_not_use_counts_all_the_same() -> None:
    assert (await grade(multi({"a": ONE, "b": INFRASTRUCTURE}, "a"))).reward is None


@pytest.mark.parametrize("part", [MODEL, GRADER, INFRASTRUCTURE])
async def test_an_invalid_grade_stands_for_any_failure_and_is_marked(part: dict[str, Any]) -> None:
    result = await grade(multi({"a": ONE, "b": part}, "a + b", invalid_grade=-1))
    assert (result.reward, result.substituted) == (-1.0, True)
    assert result.failure is not None
    assert result.failure.message.startswith("b: ")


async def test_an_invalid_grade_is_not_used_when_nothing_failed() -> None:
    result = await grade(multi({"a": ONE}, "a", invalid_grade=-1))
    assert (result.reward, result.substituted) == (1.0, False)


async def test_a_formula_without_a_value_is_ungraded_or_the_invalid_grade() -> None:
    zero = {"type": "given", "reward": 0.0}
    result = await grade(multi({"a": ONE, "b": zero}, "a / b"))
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.kind is FailureKind.FORMULA_PARSE
    assert (
        result.explanation
        == "calculate_output 'a / b' has no value with a = 1, b = 0: float division by zero"
    )
    assert (await grade(multi({"a": ONE, "b": zero}, "a / b", invalid_grade=0))).reward == 0.0


async def test_a_formula_that_the_models_failure_breaks_is_ungraded() -> None:
    result = await grade(multi({"a": ONE, "b": MODEL}, "a / b"))
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.caused_by == "grader"


async def test_a_part_whose_failure_was_substituted_is_graded() -> None:
    inner = {"type": "best_of", "graders": {"m": multi({"a": INFRASTRUCTURE}, "a", invalid_grade=0.25)}}
    assert (await grade(multi({"x": inner}, "x"))).reward == 0.25


def test_up_to_500_graders_can_be_added_up() -> None:
    keys = [f"k{n}" for n in range(500)]
    loaded: Grader = REGISTRY.load(multi(dict.fromkeys(keys, ONE), " + ".join(keys)))
    assert len(list(loaded.inner())) == 500


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=5))
async def test_a_mean_is_the_mean(rewards: list[float]) -> None:
    graders = {f"k{n}": {"type": "given", "reward": reward} for n, reward in enumerate(rewards)}
    result = await grade(multi(graders, f"({' + '.join(graders)}) / {len(rewards)}"))
    # not sum(): since Python 3.12 it corrects the rounding that + makes
    assert result.reward == reduce(add, rewards) / len(rewards)


KEY = "a key is a variable of the formula: letters, digits and _"


@pytest.mark.parametrize(
    ("graders", "formula", "message"),
    [
        (
            [ONE],
            "a",
            r'graders: expected a map from a key to each grader, such as \{"correct": \{…\}\}, got a list',
        ),
        ({}, "1", "graders: expected 1 to 500 graders, got 0"),
        ({f"k{n}": ONE for n in range(501)}, "k0", "graders: expected 1 to 500 graders, got 501"),
        ({"a b": ONE}, "1", f"graders.a b: {KEY}"),
        ({"min": ONE}, "1", f"graders.min: {KEY}.* neither a function's name"),
        ({"is": ONE}, "1", "graders.is: .* nor one of Python's words"),
        ({"1": ONE}, "1", "graders.1: .* no digit first"),
        ({"": ONE}, "1", f"graders.'': {KEY}"),
        (
            {"ａ": ONE, "a": ONE},
            "a",
            "graders.a: as a variable this key is the same as 'ａ'; rename one of them",
        ),
        (
            {"a": multi({"b": ONE}, "b")},
            "a",
            "graders.a: a multi grader inside a multi grader is not accepted",
        ),
        ({"a": ONE}, "a + b", "calculate_output: unknown variable 'b'; keys of the graders: a"),
        ({"a": ONE}, "a +", "calculate_output: 'a .' is not a formula"),
        ({"a": ONE}, 5, "calculate_output: expected a text, got 5"),
        ({"a": {"type": "given"}}, "a", "graders.a.reward: this field is required"),
        ({"a": {"type": "gven"}}, "a", "graders.a.type: unknown grader type 'gven'; did you mean 'given'?"),
    ],
)
def test_a_wrong_multi_says_where(graders: Any, formula: Any, message: str) -> None:
    config = {"type": "multi", "graders": graders, "calculate_output": formula}
    with pytest.raises(InvalidOptions, match=message):
        REGISTRY.load(config)


@pytest.mark.parametrize("invalid_grade", [float("inf"), float("nan"), "low"])
def test_an_invalid_grade_is_a_finite_number(invalid_grade: object) -> None:
    with pytest.raises(InvalidOptions, match=r"invalid_grade: expected a .*number"):
        REGISTRY.load(multi({"a": ONE}, "a", invalid_grade=invalid_grade))


async def test_a_batch_gives_the_results_of_its_rows_or_leaves_them_to_be_graded_alone() -> None:
    equal = {
        "type": "string_check",
        "input": "{{sample.output_text}}",
        "reference": "{{item.a}}",
        "operation": "eq",
    }
    near = {"type": "numeric_check", "input": "{{sample.output_text}}", "reference": "{{item.a}}"}
    found = REGISTRY.load(multi({"s": equal, "ｎ": near}, "s / n"))
    assert found.has_batch
    samples = SampleColumn(["42", "#### 42", "41", "nothing", "42"])
    items: list[Item] = [{"a": "42"}, {"a": "42"}, {"a": "42"}, {"a": "42"}, {}]
    scores = found.function.grade_batch(samples, items)
    # neither a division by zero, nor a text without a number, nor an item without a column has a reward of its own
    assert str(list(map(float, scores.rewards))) == str([1.0, 0.0, math.nan, math.nan, math.nan])
    for row in (0, 1):
        alone = await FakeContext().grade(found, samples[row], items[row])
        result = found.complete(scores.returned_for(row, 0.5), execution_time=0.5)
        assert (result.reward, result.sub_rewards) == (alone.reward, alone.sub_rewards)
        assert {part.execution_time for part in result.parts.values()} == {0.25}
        explained = {key: part.explanation for key, part in result.parts.items()}
        assert explained == {key: part.explanation for key, part in alone.parts.items()}


def test_a_part_that_is_graded_alone_leaves_the_whole_to_be_graded_alone() -> None:
    assert not REGISTRY.load(multi({"a": ONE}, "a")).has_batch
    assert REGISTRY.load(multi({"a": ONE}, "a")).function.grade_batch is None
