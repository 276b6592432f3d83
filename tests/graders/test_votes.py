"""A grader may be asked several times; what its rewards come to is one measurement, or none."""

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import (
    FailureKind,
    GraderError,
    GraderResult,
    GradingError,
    InvalidOptions,
    Item,
    Registry,
    Sample,
    grader,
)
from graders.context import Context, Verdict
from graders.testing import FakeContext, FakeJudge
from graders.vote_results import combine_votes
from graders.votes import Votes, mean
from tests.strategies import json_values


@grader("any_number", range=(-math.inf, math.inf))
async def any_number(sample: Sample, item: Item, context: Context) -> GraderResult:
    """Reward what the judge answers: its `reward`, its `parts`, and, where it says so, a failure of the model."""
    answer = (await context.judge.ask(model="m", messages=[], schema={}, sampling={})).output
    return GraderResult(answer["reward"], sub_rewards=answer.get("parts", {}), explanation=answer.get("why"))


@grader("relative")
async def relative(samples: Sequence[Sample], item: Item, context: Context) -> list[float]:
    """Reward each of a group what the judge answers."""
    return list((await context.judge.ask(model="m", messages=[], schema={}, sampling={})).output)


REGISTRY = Registry.installed().including(any_number, relative)
SCORE: dict[str, Any] = {
    "type": "score_model",
    "model": "m",
    "input": [{"role": "user", "content": "{{sample.output_text}}"}],
}
USAGE = {"prompt_tokens": 10, "completion_tokens": 2}


async def voted(answers: Sequence[Any], votes: object, **config: Any) -> GraderResult:
    """The result of a `score_model` whose judge answers these numbers, or raises these errors."""
    judge = FakeJudge(
        [
            answer if isinstance(answer, Exception) else Verdict({"result": answer}, "m", USAGE)
            for answer in answers
        ]
    )
    result = await FakeContext(judge=judge).grade(
        REGISTRY.load({**SCORE, "votes": votes, **config}), Sample("x"), {}
    )
    assert len(judge.calls) == len(answers)
    return result


@pytest.mark.parametrize(
    ("votes", "numbers", "reward"),
    [
        (3, [0.0, 1.0, 0.25], 0.25),
        (4, [0.0, 1.0, 0.5, 0.25], 0.375),
        ({"count": 3, "combine": "median"}, [1, 0, 1], 1.0),
        ({"count": 4, "combine": "mean"}, [0, 0, 0, 1], 0.25),
        ({"count": 3, "combine": "majority"}, [0.25, 1.0, 0.25], 0.25),
        # 0 and 1 are there twice each, and 1 is nearer to the median 0.75
        ({"count": 5, "combine": "majority"}, [0, 1, 0.75, 0, 1], 1.0),
        # all are as frequent, 0.25 and 0.75 as near to the median 0.5: the lower one
        ({"count": 4, "combine": "majority"}, [0, 1, 0.25, 0.75], 0.25),
    ],
)
async def test_votes_are_combined_as_the_author_says(
    votes: object, numbers: list[float], reward: float
) -> None:
    result = await voted(numbers, votes)
    assert result.reward == reward
    assert result.metrics["votes"] == len(numbers)
    assert result.metrics["vote_spread"] == max(numbers) - min(numbers)


async def test_votes_say_how_far_they_lie_apart() -> None:
    result = await voted([0, 1, 0.5, 0.5], 4)
    assert result.metrics["vote_spread"] == 1.0
    assert result.metrics["vote_std"] == pytest.approx(math.sqrt(0.125))


async def test_every_vote_is_paid_for() -> None:
    result = await voted([0, 1, 1], 3)
    assert result.usage == {"m": {"prompt_tokens": 30, "completion_tokens": 6}}


async def test_one_failed_vote_leaves_the_sample_ungraded() -> None:
    down = GradingError("down", kind=FailureKind.MODEL_GRADER_SERVER, caused_by="infrastructure")
    down.usage = {"m": {"prompt_tokens": 1}}
    result = await voted([1, down, 1], 3)
    assert (result.reward, result.passed, result.failure) == (None, None, down.failure)
    assert result.usage == {"m": {"prompt_tokens": 21, "completion_tokens": 4}}


async def test_the_combined_reward_passes_or_not() -> None:
    assert (await voted([0, 1, 1], 3, pass_threshold=0.6)).passed is True
    assert (await voted([0, 1, 1], {"count": 3, "combine": "mean"}, pass_threshold=0.7)).passed is False


async def of_numbers(answers: Sequence[Any], **votes: Any) -> GraderResult:
    loaded = REGISTRY.load({"type": "any_number", "votes": {"count": len(answers), **votes}})
    return await FakeContext(judge=FakeJudge(answers)).grade(loaded, Sample("x"), {})


async def test_what_is_said_is_what_the_nearest_vote_says() -> None:
    answers = [{"reward": 9, "why": "nine"}, {"reward": 2, "why": "two"}, {"reward": 3, "why": "three"}]
    assert (await of_numbers(answers)).explanation == "three"
    assert (await of_numbers(answers, combine="mean")).explanation == "three"


async def test_sub_rewards_are_combined_and_missing_when_a_vote_lacks_them() -> None:
    answers = [
        {"reward": 1, "parts": {"a": 0.0, "b": 1.0, "c": None}},
        {"reward": 1, "parts": {"a": 1.0, "c": 1.0}},
        {"reward": 1, "parts": {"a": 1.0, "b": 1.0, "c": 1.0}},
    ]
    assert (await of_numbers(answers)).sub_rewards == {"a": 1.0, "b": None, "c": None}


async def test_votes_too_large_to_combine_are_ungraded() -> None:
    result = await of_numbers([{"reward": 1.7e308}] * 2, combine="mean")
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.message == "the votes cannot be combined: intermediate overflow in fsum"
    assert (await of_numbers([{"reward": 1.7e308}, {"reward": -1.7e308}])).reward is None


def result_of(name: str, kind: str) -> GraderResult:
    """A vote of `multi`: without a failure, one that the model caused, or one that `invalid_grade` stands for."""
    failures = {
        "model": GradingError("its code crashes", caused_by="model").failure,
        "substituted": GradingError("the judge is down", caused_by="infrastructure").failure,
    }
    return GraderResult(
        {"good": 1.0}.get(kind, 0.0),
        failure=failures.get(kind),
        substituted=kind == "substituted",
        explanation=name,
    )


@pytest.mark.parametrize(
    ("kinds", "reward", "failure", "substituted"),
    [
        (["good", "good", "good"], 1.0, None, False),
        (["good", "model", "good"], 1.0, "its code crashes", False),
        (["good", "model", "substituted"], 0.0, "the judge is down", True),
    ],
)
def test_a_failure_of_one_vote_marks_them_all(
    kinds: list[str], reward: float, failure: str | None, substituted: bool
) -> None:
    votes = Votes(3)
    result = combine_votes(REGISTRY.load(SCORE), votes, [result_of(kind, kind) for kind in kinds])
    assert (result.reward, result.substituted) == (reward, substituted)
    assert (result.failure and result.failure.message) == failure


async def test_each_of_a_group_has_its_own_votes() -> None:
    loaded = REGISTRY.load({"type": "relative", "votes": 3})
    judge = FakeJudge([[0.0, 1.0], [0.5, 1.0], [1.0, 0.0]])
    results = await FakeContext(judge=judge).grade_group(loaded, [Sample("a"), Sample("b")], {})
    assert [result.reward for result in results] == [0.5, 1.0]


@pytest.mark.parametrize(
    ("votes", "message"),
    [
        (0, "votes: expected 1 to 64, or a map such as"),
        (65, "votes: expected 1 to 64, or a map such as"),
        (True, 'votes: expected 1 to 64, or a map such as {"count": 3, "combine": "majority"}; got True'),
        (2.0, "votes: expected 1 to 64"),
        ("3", "votes: expected 1 to 64"),
        ({}, "votes: expected 1 to 64"),
        ({"count": 3, "combine": "max"}, "votes: combine is one of median, mean, majority; got 'max'"),
        ({"count": 3, "combine": ["mean"]}, "votes: combine is one of median, mean, majority; got ['mean']"),
        ({"count": 3, "times": 1}, "votes: no such field 'times'; votes have a count and combine"),
    ],
)
def test_votes_that_mean_nothing_are_refused(votes: object, message: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        REGISTRY.load({**SCORE, "votes": votes})
    assert str(caught.value).startswith(message)


@given(json_values())
def test_no_votes_make_loading_fail_with_another_error(votes: Any) -> None:
    try:
        loaded = REGISTRY.load({**SCORE, "votes": votes})
    except GraderError as error:
        assert "votes" in str(error)  # noqa: PT017  # either outcome is right
    else:
        assert loaded.votes is None or 2 <= loaded.votes.count <= 64


def test_one_vote_is_none() -> None:
    signature = REGISTRY.load(SCORE).info.signature
    for votes in (None, 1, {"count": 1, "combine": "mean"}):
        loaded = REGISTRY.load({**SCORE, "votes": votes})
        assert (loaded.votes, loaded.info.signature) == (None, signature)


def test_votes_are_part_of_the_signature() -> None:
    choices = [None, 3, 5, {"count": 3, "combine": "mean"}]
    assert len({REGISTRY.load({**SCORE, "votes": votes}).info.signature for votes in choices}) == 4
    same = REGISTRY.load({**SCORE, "votes": {"count": 3, "combine": "median"}})
    assert same.info.signature == REGISTRY.load({**SCORE, "votes": 3}).info.signature
    assert json.loads(json.dumps(same.config))["votes"] == {"count": 3, "combine": "median"}


@given(
    st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=8),
    st.sampled_from(["median", "mean", "majority"]),
)
async def test_the_combined_reward_lies_between_the_votes(rewards: list[float], combine: str) -> None:
    result = await of_numbers([{"reward": reward} for reward in rewards], combine=combine)
    assert result.reward is not None
    assert min(rewards) <= result.reward <= max(rewards)
    reverse = await of_numbers([{"reward": reward} for reward in rewards[::-1]], combine=combine)
    assert reverse.reward == result.reward


@given(st.floats(-1e300, 1e300), st.integers(1, 64))
def test_the_mean_of_equal_numbers_is_that_number(number: float, count: int) -> None:
    assert mean([number] * count) == number
