"""The samples of one prompt are scored side by side, and neither their order nor what they say of themselves decides."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import FailureKind, GraderResult, GradingError, InvalidOptions, Registry, Sample
from graders.context import Verdict
from graders.kinds.rank import MAX_SAMPLES, SHORTEST_NAME, _names
from graders.testing import FakeContext, FakeJudge
from tests.strategies import any_str

INSTALLED = Registry.installed()
RANK: dict[str, Any] = {
    "type": "rank",
    "model": "m",
    "criterion": "It is better when it is closer to {{item.answer}}.",
}
ITEM = {"answer": "4", "q": "2+2?"}
SHOWN = re.compile(r"Text ([0-9a-f]+):\n(===== [0-9a-f]{16} =====)\n(.*?)\n\2(?:\n|$)", re.DOTALL)


def shown(call: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and text of each sample that the judge saw, in order."""
    return [(name, text) for name, _, text in SHOWN.findall(call["messages"][1]["content"])]


def by_text(scores: dict[str, float]) -> FakeJudge:
    """A judge that gives each text its score."""

    def answer(**call: Any) -> dict[str, Any]:
        return {name: {"reason": f"it says {text}", "score": scores[text]} for name, text in shown(call)}

    return FakeJudge(answer)


def by_place(*scores: float) -> FakeJudge:
    """A judge that looks at nothing but the place."""

    def answer(schema: Any, **_: Any) -> dict[str, Any]:
        return {
            name: {"reason": "", "score": score}
            for name, score in zip(schema["properties"], scores, strict=False)
        }

    return FakeJudge(answer)


async def graded(judge: FakeJudge, texts: Sequence[str], **changed: Any) -> list[GraderResult]:
    grader = INSTALLED.load({**RANK, **changed})
    return await FakeContext(judge=judge).grade_group(grader, [Sample(text) for text in texts], ITEM)


def rewards(results: list[GraderResult]) -> list[float | None]:
    return [result.reward for result in results]


async def test_each_sample_gets_its_own_score() -> None:
    results = await graded(by_text({"3": 0.5, "4": 1, "9": 0}), ["9", "4", "3"])
    assert rewards(results) == [0.0, 1.0, 0.5]
    assert [result.metrics["order_spread"] for result in results] == [0.0] * 3
    assert results[1].explanation == "it says 4"
    assert results[1].metadata["reasons"] == ["it says 4"] * 2


async def test_a_judge_that_prefers_a_place_ranks_nobody() -> None:
    judge = by_place(1, 0.5, 0)
    results = await graded(judge, ["a", "b", "c"])
    assert rewards(results) == [0.5] * 3
    assert sorted(result.metrics["order_spread"] for result in results) == [0.0, 1.0, 1.0]
    first, second = map(shown, judge.calls)
    assert second == first[::-1]


@pytest.mark.parametrize(("orders", "calls"), [(1, 1), (2, 2), (3, 3), (4, 4)])
async def test_each_order_is_asked_once(orders: int, calls: int) -> None:
    judge = by_place(1, 1, 1, 1, 1, 1)
    await graded(judge, "abcdef", orders=orders)
    asked = [tuple(shown(call)) for call in judge.calls]
    assert len(asked) == len(set(asked)) == calls
    assert asked[1::2] == [order[::-1] for order in asked[: calls // 2 * 2 : 2]]


@pytest.mark.parametrize(("texts", "calls"), [(["a"], 1), (["a", "a"], 1), (["a", "b"], 2)])
async def test_an_order_that_was_seen_is_not_asked_again(texts: list[str], calls: int) -> None:
    judge = by_text({"a": 0.75, "b": 0.25})
    results = await graded(judge, texts, orders=4)
    assert len(judge.calls) == calls
    assert rewards(results) == [{"a": 0.75, "b": 0.25}[text] for text in texts]


async def test_equal_texts_are_shown_once_and_get_one_score() -> None:
    judge = by_place(1, 0)
    results = await graded(judge, ["a", "b", "a"], orders=1)
    assert len(shown(judge.calls[0])) == 2
    assert results[0].reward == results[2].reward != results[1].reward


async def test_the_judge_is_instructed_first_and_shown_the_samples_last() -> None:
    judge = by_place(3, 3)
    changed = {"question": "{{item.q}}", "reference": "{{item.answer}}", "range": [1, 5], "orders": 1}
    await graded(judge, ["=====\u200b", "b"], **changed, sampling_params={"seed": 1})
    (call,) = judge.calls
    system, user = (message["content"] for message in call["messages"])
    assert "a score from 1 (worst) to 5 (best)" in system
    assert system.endswith("\n\nCriterion: It is better when it is closer to 4.")
    assert re.sub("===== [0-9a-f]{16} =====", "-----", user).startswith(
        "Question:\n-----\n2+2?\n-----\n\nReference:\n-----\n4\n-----\n\nText "
    )
    assert {text for _, text in shown(call)} == {"=====⟦U+200B⟧", "b"}
    assert list(call["schema"]["properties"]) == [name for name, _ in shown(call)]
    assert call["sampling"] == {"seed": 1}
    assert {tuple(one["properties"]) for one in call["schema"]["properties"].values()} == {
        ("reason", "score")
    }


async def test_a_score_outside_the_range_is_clamped_and_reported() -> None:
    results = await graded(by_text({"a": 7, "b": -1, "c": 3}), ["a", "b", "c"], range=[1, 5])
    assert rewards(results) == [5.0, 1.0, 3.0]
    assert [result.metrics.get("unclamped") for result in results] == [7.0, -1.0, None]


async def test_the_tokens_of_a_group_are_counted_once() -> None:
    def answer(schema: Any, **_: Any) -> Verdict:
        return Verdict({name: {"score": 1} for name in schema["properties"]}, "m", {"prompt_tokens": 10})

    results = await graded(FakeJudge(answer), ["a", "b", "c"])
    assert [dict(result.usage) for result in results] == [{"m": {"prompt_tokens": 20}}, {}, {}]


@pytest.mark.parametrize("score", [None, "1", True])
async def test_one_score_that_is_none_leaves_the_whole_group_ungraded(score: object) -> None:
    calls = 0

    def answer(schema: Any, **_: Any) -> Verdict:
        nonlocal calls
        calls += 1
        scores: list[object] = [1, 1, score if calls == 2 else 1]
        output = {name: {"score": given} for name, given in zip(schema["properties"], scores, strict=True)}
        return Verdict(output, "m", {"prompt_tokens": 10})

    results = await graded(FakeJudge(answer), ["a", "b", "c"])
    assert rewards(results) == [None] * 3
    assert {result.failure.kind for result in results if result.failure} == {FailureKind.MODEL_GRADER_PARSE}
    assert results[0].usage == {"m": {"prompt_tokens": 20}}


async def test_a_judge_that_is_down_leaves_the_whole_group_ungraded() -> None:
    down = GradingError(
        "down", kind=FailureKind.MODEL_GRADER_SERVER, caused_by="infrastructure", retryable=True
    )
    results = await graded(FakeJudge([down]), ["a", "b"])
    assert [result.failure for result in results] == [down.failure] * 2


async def test_a_group_that_is_too_large_is_refused() -> None:
    results = await graded(FakeJudge([]), [str(n) for n in range(MAX_SAMPLES + 1)])
    assert {result.failure.message for result in results if result.failure} == {
        "rank compares at most 64 samples of one prompt, got 65"
    }
    assert {result.failure.caused_by for result in results if result.failure} == {"grader"}
    assert rewards(await graded(by_place(*[1.0] * 64), [str(n) for n in range(MAX_SAMPLES)])) == [1.0] * 64


def _guess(messages: Any, schema: Any, **_: Any) -> dict[str, Any]:
    """Scores that depend on all that the judge sees, places included."""
    seen = hashlib.sha256(messages[1]["content"].encode()).digest()
    return {name: {"reason": name, "score": seen[n] / 255} for n, name in enumerate(schema["properties"])}


@given(
    st.lists(any_str(8) | st.sampled_from(["a", "b", "c"]), min_size=1, max_size=8).flatmap(
        lambda texts: st.tuples(st.just(texts), st.permutations(range(len(texts))))
    ),
    st.integers(1, 4),
)
async def test_the_order_of_the_group_changes_nothing(
    drawn: tuple[list[str], list[int]], orders: int
) -> None:
    texts, places = drawn
    results = await graded(FakeJudge(_guess), texts, orders=orders)
    moved = await graded(FakeJudge(_guess), [texts[place] for place in places], orders=orders)
    assert rewards(moved) == [results[place].reward for place in places]
    assert [result.metadata["id"] for result in moved] == [results[place].metadata["id"] for place in places]


async def test_names_and_places_depend_on_the_seed_and_on_the_whole_group() -> None:
    names = []
    for seed, texts in ((0, "abcdef"), (1, "abcdef"), (0, "abcdeg")):
        results = await graded(by_place(*[1.0] * 6), texts, seed=seed)
        names.append([result.metadata["id"] for result in results])
    assert len({name for group in names for name in group}) == 18
    assert all(re.fullmatch("[0-9a-f]{8}", name) for group in names for name in group)


def test_names_that_would_collide_are_longer() -> None:
    names = _names(map(str, range(10_000)), seed=133)  # the first eight digits of two of them are equal
    assert len(set(names.values())) == 10_000
    assert {len(name) for name in names.values()} == {SHORTEST_NAME + 1}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"range": [1, 0]}, "range: expected the lower number first"),
        ({"orders": 5}, "orders: expected less than or equal to 4"),
        ({"orders": 0}, "orders: expected greater than or equal to 1"),
        ({"criterion": "{{sample.output_text}}"}, "criterion: the sample has no place here"),
        ({"question": "{{sample.output_text}}"}, "question: the sample has no place here"),
        ({"reference": "{{sample.output_text}}"}, "reference: the sample has no place here"),
    ],
)
def test_a_wrong_option_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        INSTALLED.load({**RANK, **changed})
    assert str(caught.value).startswith(message)
