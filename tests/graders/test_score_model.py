"""A judge's number is the reward, clamped to the range; what is not a number is no reward."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import FailureKind, GraderResult, GradingError, InvalidOptions, Registry, Sample
from graders.context import Verdict
from graders.testing import FakeContext, FakeJudge
from tests.strategies import json_values

INSTALLED = Registry.installed()
SCORE: dict[str, Any] = {
    "type": "score_model",
    "model": "gpt-4o-mini",
    "input": [
        {"role": "developer", "content": "Score the answer to {{item.q}} from 0 to 1."},
        {"role": "user", "content": "{{sample.output_text}}"},
    ],
}
STEPS = [{"description": "Compare.", "conclusion": "Equal."}]


async def graded(judge: FakeJudge, **changed: Any) -> GraderResult:
    grader = INSTALLED.load({**SCORE, **changed})
    return await FakeContext(judge=judge).grade(grader, Sample("4"), {"q": "2+2"})


async def test_the_judge_is_asked_as_published() -> None:
    judge = FakeJudge([{"steps": STEPS, "result": 0.75}])
    result = await graded(judge, sampling_params={"temperature": 0.5, "max_completions_tokens": 9})
    assert result.reward == 0.75
    assert result.explanation == "Compare.: Equal."
    assert result.metadata == {"model": "gpt-4o-mini", "steps": STEPS}
    assert judge.calls == [
        {
            "model": "gpt-4o-mini",
            "messages": [
                {"role": "developer", "content": "Score the answer to 2+2 from 0 to 1."},
                {"role": "user", "content": "4"},
            ],
            "schema": {
                "type": "object",
                "properties": {
                    "steps": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "description": {"type": "string"},
                                "conclusion": {"type": "string"},
                            },
                            "required": ["description", "conclusion"],
                            "additionalProperties": False,
                        },
                    },
                    "result": {
                        "type": "number",
                        "minimum": -1.0,
                        "maximum": 2.0,
                        "x-asked": {"minimum": 0.0, "maximum": 1.0},
                    },
                },
                "required": ["steps", "result"],
                "additionalProperties": False,
            },
            "sampling": {"temperature": 0.5, "max_completion_tokens": 9},
            "name": "float_score_classification",
        }
    ]


@pytest.mark.parametrize(("number", "reward"), [(7, 5.0), (-2.5, 1.0)])
async def test_a_number_outside_the_range_is_clamped_and_reported(number: float, reward: float) -> None:
    result = await graded(FakeJudge([{"steps": STEPS, "result": number}]), range=[1, 5])
    assert result.reward == reward
    assert result.metrics["unclamped"] == number
    assert result.explanation == f"{number:g} was clamped to the range 1 to 5. Compare.: Equal."


@pytest.mark.parametrize("number", [75, 9.5, -3.5, 1e300])
async def test_a_number_far_outside_the_range_is_no_verdict(number: float) -> None:
    result = await graded(FakeJudge([Verdict({"result": number}, "m", {"prompt_tokens": 3})]), range=[1, 5])
    assert result.reward is None
    assert result.failure is not None
    assert (result.failure.kind, result.failure.caused_by) == (
        FailureKind.MODEL_GRADER_PARSE,
        "infrastructure",
    )
    assert "is far outside the range 1 to 5: " in result.failure.message
    assert result.usage == {"m": {"prompt_tokens": 3}}


async def test_a_number_inside_is_not_reported_as_clamped() -> None:
    assert "unclamped" not in (await graded(FakeJudge([{"result": 5}]), range=[1, 5])).metrics


async def test_an_answer_that_is_no_number_is_ungraded_and_still_paid_for() -> None:
    result = await graded(FakeJudge([Verdict({"result": "high"}, "m", {"prompt_tokens": 3})]))
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.kind is FailureKind.MODEL_GRADER_PARSE
    assert result.usage == {"m": {"prompt_tokens": 3}}


async def test_a_judge_that_is_down_leaves_the_sample_ungraded() -> None:
    down = GradingError("down", kind=FailureKind.MODEL_GRADER_SERVER, caused_by="infrastructure")
    assert (await graded(FakeJudge([down]))).failure == down.failure


@given(st.floats() | st.integers() | json_values())
async def test_every_answer_is_a_reward_inside_the_range_or_none(number: Any) -> None:
    result = await graded(FakeJudge([{"result": number}]), range=[-1, 1])
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    if is_number and -3 <= number <= 3:
        assert result.reward == min(max(number, -1), 1)
    else:
        assert result.reward is None


def test_a_range_is_the_graders_range() -> None:
    assert INSTALLED.load(SCORE).info.range == (0.0, 1.0)
    assert INSTALLED.load({**SCORE, "range": [1, 5]}).info.range == (1.0, 5.0)
    assert INSTALLED.load({**SCORE, "range": [1, 5]}).pass_threshold == 3.0
    with pytest.raises(InvalidOptions, match=r"^range: expected the lower number first, got \[5, 1\]"):
        INSTALLED.load({**SCORE, "range": [5, 1]})


def test_sampling_parameters_have_two_names() -> None:
    one = INSTALLED.load({**SCORE, "sampling_params": {"seed": 1}})
    other = INSTALLED.load({**SCORE, "sampling_parameters": {"seed": 1}})
    assert one.info.signature == other.info.signature != INSTALLED.load(SCORE).info.signature
    both = {"sampling_params": {"seed": 1}, "sampling_parameters": {"seed": 1}}
    with pytest.raises(
        InvalidOptions,
        match=r"^sampling_parameters: this is another name of 'sampling_params', which is given too$",
    ):
        INSTALLED.load({**SCORE, **both})
