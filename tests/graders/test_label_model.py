"""A judge chooses a label; a passing label gives 1, another 0, and any other answer gives no reward."""

from typing import Any

import pytest
from hypothesis import given

from graders import FailureKind, GraderResult, InvalidOptions, Registry, Sample
from graders.context import Verdict
from graders.testing import FakeContext, FakeJudge
from tests.strategies import json_values

INSTALLED = Registry.installed()
LABEL: dict[str, Any] = {
    "type": "label_model",
    "model": "gpt-4o-mini",
    "input": [{"role": "user", "content": "Is this good English? {{sample.output_text}}"}],
    "labels": ["good", "odd", "bad"],
    "passing_labels": ["good", "odd"],
}
STEPS = [{"description": "Read.", "conclusion": "Fine."}]


async def graded(judge: FakeJudge, **changed: Any) -> GraderResult:
    grader = INSTALLED.load({**LABEL, **changed})
    return await FakeContext(judge=judge).grade(grader, Sample("They is here."), {})


@pytest.mark.parametrize(("label", "reward"), [("good", 1.0), ("odd", 1.0), ("bad", 0.0)])
async def test_a_passing_label_is_1_and_another_0(label: str, reward: float) -> None:
    result = await graded(FakeJudge([{"steps": STEPS, "result": label}]))
    assert result.reward == reward
    assert result.explanation == f"{label}: Read.: Fine."
    assert result.metadata == {"model": "gpt-4o-mini", "steps": STEPS, "label": label}


async def test_the_judge_may_choose_among_the_labels_only() -> None:
    judge = FakeJudge([{"result": "bad"}])
    result = await graded(judge, sampling_parameters={"seed": 4})
    assert result.explanation == "bad"
    (call,) = judge.calls
    assert call["messages"] == [{"role": "user", "content": "Is this good English? They is here."}]
    assert call["schema"]["properties"]["result"] == {"type": "string", "enum": ["good", "odd", "bad"]}
    assert list(call["schema"]["properties"]) == ["steps", "result"]
    assert (call["name"], call["sampling"]) == ("label_classification", {"seed": 4})


async def test_another_label_is_ungraded_and_still_paid_for() -> None:
    result = await graded(FakeJudge([Verdict({"result": "Good"}, "m", {"prompt_tokens": 3})]))
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.kind is FailureKind.MODEL_GRADER_PARSE
    assert result.usage == {"m": {"prompt_tokens": 3}}


@given(json_values())
async def test_no_other_answer_is_a_reward(output: Any) -> None:
    for answer in (output, {"result": output}):
        result = await graded(FakeJudge([answer]))
        assert result.reward is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": ["a", "b", "a"], "passing_labels": ["a"]}, "labels: duplicate label 'a'"),
        (
            {"passing_labels": ["fine"]},
            "passing_labels: a passing label is one of the labels 'good', 'odd', 'bad'; got",
        ),
        ({"labels": []}, "labels: expected at least one element"),
        ({"passing_labels": [""]}, "passing_labels.0: expected a text that is not empty"),
        ({"input": []}, "input: expected at least one element"),
    ],
)
def test_labels_that_cannot_be_chosen_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        INSTALLED.load({**LABEL, **changed})
    assert str(caught.value).startswith(message)
