"""Two texts that say the same get 1, and neither their order nor which of them is the sample decides."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import FailureKind, GraderResult, InvalidOptions, Registry, Sample
from graders.context import Verdict
from graders.testing import FakeContext, FakeJudge
from tests.strategies import any_str

INSTALLED = Registry.installed()
EQUIVALENCE: dict[str, Any] = {"type": "equivalence", "model": "m", "reference": "{{item.answer}}"}
YES = {"reason": "both say four", "same": "yes"}
NO = {"reason": "four is not five", "same": "no"}


async def graded(judge: FakeJudge, sample: str = "four", answer: str = "4", **changed: Any) -> GraderResult:
    grader = INSTALLED.load({**EQUIVALENCE, **changed})
    return await FakeContext(judge=judge).grade(grader, Sample(sample), {"answer": answer, "q": "2+2?"})


@pytest.mark.parametrize(("answer", "reward"), [(YES, 1.0), (NO, 0.0)])
async def test_a_verdict_that_both_orders_give_is_the_reward(answer: dict[str, str], reward: float) -> None:
    judge = FakeJudge([answer, answer])
    result = await graded(judge, sampling_params={"temperature": 0})
    assert result.reward == reward
    assert result.metrics["agreement"] == 1.0
    assert result.explanation == f"{'the same' if reward else 'different'}: {answer['reason']}"
    assert result.metadata == {"model": "m", "reasons": [answer["reason"]] * 2}
    assert [call["sampling"] for call in judge.calls] == [{"temperature": 0}] * 2


async def test_the_judge_sees_both_orders_and_not_which_is_the_sample() -> None:
    judge = FakeJudge([YES, YES])
    await graded(judge, question="{{item.q}}", instructions="Units of {{item.q}} count.")
    (system, user), (again, reverse) = (call["messages"] for call in judge.calls)
    assert system == again
    assert system["content"].endswith("\n\nUnits of 2+2? count.")
    one_way, other_way = (
        re.sub("===== [0-9a-f]{16} =====", "-----", message["content"]) for message in (user, reverse)
    )
    assert one_way.startswith(
        "Question:\n-----\n2+2?\n-----\n\nFirst:\n-----\n4\n-----\n\nSecond:\n-----\nfour\n-----"
    )
    assert "First:\n-----\nfour\n-----\n\nSecond:\n-----\n4\n-----" in other_way
    shown = system["content"] + user["content"]
    assert not any(word in shown.lower() for word in ("sample", "reference", "model"))
    schema = judge.calls[0]["schema"]
    assert list(schema["properties"]) == ["reason", "same"]
    assert schema["properties"]["same"]["enum"] == ["yes", "no"]


@pytest.mark.parametrize("sample", ["4", " 4\n"])
async def test_equal_texts_are_not_asked_about(sample: str) -> None:
    result = await graded(FakeJudge([]), sample)
    assert (result.reward, result.metrics, result.explanation) == (
        1.0,
        {"agreement": 1.0},
        "the texts are equal",
    )


async def test_a_judge_that_contradicts_itself_measures_nothing() -> None:
    usage = {"prompt_tokens": 7}
    result = await graded(FakeJudge([Verdict(YES, "m", usage), Verdict(NO, "m", usage)]))
    assert result.reward is None
    assert result.failure is not None
    assert (result.failure.kind, result.failure.caused_by) == (FailureKind.OTHER, "infrastructure")
    assert result.failure.details == {
        "type": "order_dependent_verdict",
        "reasons": [YES["reason"], NO["reason"]],
    }
    assert not result.failure.retryable
    assert result.usage == {"m": {"prompt_tokens": 14}}


@pytest.mark.parametrize(("choice", "reward"), [("different", 0.0), ("half", 0.5)])
async def test_an_author_may_say_what_a_contradiction_counts(choice: str, reward: float) -> None:
    result = await graded(FakeJudge([NO, YES]), on_disagreement=choice)
    assert result.reward == reward
    assert result.metrics["agreement"] == 0.0
    assert result.explanation == "the same in one order only: four is not five"


@pytest.mark.parametrize("second", [{"same": "maybe"}, {"same": True}, {}, []])
async def test_an_answer_that_is_none_leaves_the_sample_ungraded(second: object) -> None:
    result = await graded(
        FakeJudge([Verdict(YES, "m", {"prompt_tokens": 7}), second]), on_disagreement="half"
    )
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.kind is FailureKind.MODEL_GRADER_PARSE
    assert result.usage == {"m": {"prompt_tokens": 7}}


@given(any_str(), any_str(), st.sampled_from(["ungraded", "different", "half"]))
async def test_exchanging_the_texts_asks_the_same_and_gives_the_same(
    one: str, other: str, choice: str
) -> None:
    def answer(messages: Any, **_: Any) -> dict[str, str]:
        return {"reason": "", "same": ("yes", "no")[len(messages[1]["content"].partition("Second:")[0]) % 2]}

    results, calls = [], []
    for swapped in (False, True):
        judge = FakeJudge(answer)
        texts = (other, one) if swapped else (one, other)
        results.append(await graded(judge, *texts, on_disagreement=choice))
        calls.append(judge.calls)
    assert calls[0] == calls[1]
    assert [results[0].reward, results[0].failure] == [results[1].reward, results[1].failure]


@pytest.mark.parametrize("option", ["question", "instructions"])
def test_the_sample_is_shown_as_a_text_and_nowhere_else(option: str) -> None:
    with pytest.raises(InvalidOptions, match=f"^{option}: the sample has no place here"):
        INSTALLED.load({**EQUIVALENCE, option: "{{sample.output_text}}"})


def test_a_reference_is_needed() -> None:
    with pytest.raises(InvalidOptions, match=r"^reference: this field is required"):
        INSTALLED.load({"type": "equivalence", "model": "m"})
