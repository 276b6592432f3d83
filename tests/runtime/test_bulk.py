"""Rows that are graded in bulk have the results that they have alone: rewards, failures, parts, explanations."""

import math
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import GraderResult, GradingError, Registry
from runtime import Evaluator, Settings
from runtime.evaluation.batches import CHUNK

TEXT = "{{sample.output_text}}"
SAMPLES: list[Any] = [
    "42", "#### 42", "The answer is 41.", "1,042", "no idea", "", "42%", "<think>41</think>42", "<think>42", "-0", "half of 42",
    "In all there are six.\n#### 42", "x" * 5_000 + "\n#### 42", '{"r": "42"}', {"output_text": "42"}, {"choices": []}, 7, None,
    GradingError("the row cannot be read"), [{"role": "assistant", "content": "42"}],
]  # fmt: skip
ITEMS: list[Any] = [
    {"a": "42"}, {"a": 42}, {"a": 41.5}, {"a": "1/3"}, {"a": "[1, 42]"}, {"a": [42]}, {"a": "4"}, {"a": ""}, {"a": None},
    {"a": True}, {"a": float("inf")}, {"a": "1" * 40}, {}, {"b": "42"}, None, {"a": {"b": 1}},
]  # fmt: skip
STRING: dict[str, Any] = {"type": "string_check", "input": TEXT, "reference": "{{item.a}}", "operation": "eq"}
NUMERIC: dict[str, Any] = {"type": "numeric_check", "input": TEXT, "reference": "{{item.a}}"}
PARTS: list[dict[str, Any]] = [
    STRING,
    {**STRING, "operation": "like"},
    {**STRING, "operation": "ilike", "reference": "4", "thoughts": "skip"},
    {**STRING, "invalid_grade": 0.5},
    {**STRING, "input": "{{sample.output_json.r}}"},
    NUMERIC,
    {**NUMERIC, "extract": {"after": "####"}},
    {**NUMERIC, "extract": "boxed", "invalid_grade": 0.25},
    {**NUMERIC, "score": {"linear": {"scale": 10}}, "input": "{{sample.output_json.r}}", "pass_threshold": 0.9},
    {**NUMERIC, "score": {"steps": [[0, 5], [1, 4]], "range": [0, 5]}, "abs_tol": 0.5, "thoughts": "keep"},
    {**NUMERIC, "input": "{{item.a}}", "reference": "42"},
    {**NUMERIC, "reference": "{{sample.output_text}}", "reference_extract": "last"},
    {**NUMERIC, "reference_extract": {"after": "####"}, "reference": "#### {{item.a}}"},
]  # fmt: skip
FORMULAS = (
    "a", "a + b", "0.25 * a + 0.5 * b", "a / b", "1 / (1 / b)", "max(a, b) - min(a, b)", "floor(a / 2) + ceil(b)",
    "sqrt(a - b)", "a ^ b", "exp(1000 * b)", "log(a)", "1", "a * 1e308 * 10",
)  # fmt: skip


@pytest.fixture(scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    async with Evaluator(Registry.installed(), Settings(concurrency=4)) as shared:
        yield shared


def plain(result: GraderResult) -> tuple[Any, ...]:
    """All that a result says but for the time it took."""
    return (
        result.reward, result.passed, result.explanation, result.failure, dict(result.metrics), dict(result.metadata),
        dict(result.usage), dict(result.sub_rewards), result.substituted, result.grader,
        {key: plain(part) for key, part in result.parts.items()},
    )  # fmt: skip


async def check(evaluator: Evaluator, config: Mapping[str, Any], rows: list[tuple[Any, Any]]) -> None:
    grader = await evaluator.prepare(config)
    assert grader.has_batch
    graded = await evaluator.grade_many(grader, [sample for sample, _ in rows], [item for _, item in rows])
    streamed = {place: result async for place, result in evaluator.stream(grader, rows, ordered=False)}
    assert sorted(streamed) == list(range(len(rows)))
    for place, (sample, item) in enumerate(rows):
        alone = plain(await evaluator.grade(grader, sample, item))
        assert plain(graded[place]) == alone
        assert plain(streamed[place]) == alone
        assert graded.rewards[place] == alone[0] or (math.isnan(graded.rewards[place]) and alone[0] is None)
        known = graded.known(place)
        assert known is None or plain(known) == alone


UNREADABLE_ITEM = {"a": object()}
ROW = st.tuples(st.sampled_from(SAMPLES), st.sampled_from(ITEMS)) | st.tuples(
    st.just("42"), st.just(UNREADABLE_ITEM)
)
ROWS = st.lists(ROW, max_size=6)


@given(st.sampled_from(PARTS), ROWS)
async def test_a_batch_is_its_rows(
    evaluator: Evaluator, config: dict[str, Any], rows: list[tuple[Any, Any]]
) -> None:
    await check(evaluator, config, rows)


@given(
    st.fixed_dictionaries(dict.fromkeys("ab", st.sampled_from(PARTS))),
    st.sampled_from(FORMULAS),
    st.sampled_from([{}, {"invalid_grade": -1.0}, {"pass_threshold": 0.5}]),
    ROWS,
)
async def test_a_batch_of_a_multi_is_its_rows(
    evaluator: Evaluator,
    parts: dict[str, Any],
    formula: str,
    more: dict[str, Any],
    rows: list[tuple[Any, Any]],
) -> None:
    config = {"type": "multi", "graders": parts, "calculate_output": formula, **more}
    await check(evaluator, config, rows)


async def test_a_bad_row_in_every_chunk_leaves_the_others_in_bulk(evaluator: Evaluator) -> None:
    rows = [("42", {"a": str(42 + n % 2)} if n % 500 else {}) for n in range(3 * CHUNK)]
    config = {"type": "multi", "graders": {"a": STRING, "b": NUMERIC}, "calculate_output": "a + b"}
    graded = await evaluator.grade_many(config, [sample for sample, _ in rows], [item for _, item in rows])
    expected = [math.nan if not item else 2.0 * (item["a"] == "42") for _, item in rows]
    assert str(graded.rewards.tolist()) == str(expected)
    assert graded.ungraded == sum(map(math.isnan, expected))
    streamed = [result.reward async for _, result in evaluator.stream(config, rows)]
    assert streamed == [None if math.isnan(reward) else reward for reward in expected]


async def test_a_deadline_that_has_passed_leaves_all_ungraded(evaluator: Evaluator) -> None:
    graded = await evaluator.grade_many(NUMERIC, ["42"] * 3, [{"a": 42}] * 3, deadline_s=-1)
    assert graded.ungraded == 3
    assert [result.failure and result.failure.details["type"] for result in graded] == ["deadline"] * 3


async def test_a_multi_with_a_part_that_asks_the_world_or_votes_is_not_graded_in_bulk(
    evaluator: Evaluator,
) -> None:
    source = {"type": "python", "source": "def grade(sample, item):\n    return 1.0"}
    for part in (source, {**STRING, "votes": 3}, {**STRING, "reference": "{{item.a[*]}}"}):
        config = {"type": "multi", "graders": {"a": STRING, "b": part}, "calculate_output": "a + b"}
        assert not evaluator.load(config).has_batch


async def test_what_the_caller_does_with_its_rows_afterwards_changes_no_result(evaluator: Evaluator) -> None:
    samples, items = ["41", "42"], [{"a": "42"}, {"a": "42"}]
    graded = await evaluator.grade_many(NUMERIC, samples, items)
    samples[0] = "42"
    items[0]["a"] = "7"
    assert (graded[0].reward, graded[0].explanation) == (0.0, "41 from '41' (integer) against 42: distance 1")
