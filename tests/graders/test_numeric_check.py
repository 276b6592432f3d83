"""`numeric_check` as its users write it."""

import json
import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import FailureKind, Grader, GraderResult, GradingError, InvalidOptions, Registry, Sample
from graders.kinds.numeric_check import INLINE_LIMIT, NumericCheck
from tests.strategies import integers_as_text, number_lookalikes
from tools import make_worked_answers as worked_answers

COUNTDOWN: dict[str, Any] = {
    "input": "{{sample.output_json.result}}",
    "extract": "whole",
    "score": {"steps": [[0, 5], [1, 4], [5, 3]], "range": [0, 5]},
}


def load(**options: Any) -> Grader:
    plain = {
        "type": "numeric_check",
        "input": "{{sample.output_text}}",
        "reference": "{{item.answer}}",
        **options,
    }
    return _registry.load(plain)


_registry = Registry().including(NumericCheck)


def grade(text: str, answer: Any, **options: Any) -> GraderResult:
    return grade_with(load(**options), text, answer)


def grade_with(grader: Grader, text: str, answer: Any) -> GraderResult:
    try:
        return grader.complete(grader.function(Sample(text), {"answer": answer}))
    except GradingError as error:
        return grader.failed(error)


def test_480_worked_answers_earn_the_reward_where_they_are_right_and_nowhere_else() -> None:
    graders: dict[str, Grader] = {}
    for line in worked_answers.OUTPUT.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        right, wrong = row["answer"], str(Fraction(row["answer"]) + 1)
        place = str(row["extract"])
        grader = graders[place] = graders.get(place) or load(extract=row["extract"])
        assert grade_with(grader, row["text"], right).reward == 1, row
        assert grade_with(grader, row["text"], wrong).reward == 0, row


def test_a_reference_may_be_a_worked_answer_too() -> None:
    options = {"extract": {"after": "####"}, "reference_extract": {"after": "####"}}
    assert grade("#### 1,080", "36*30 = 1080\n#### 1,080!!!", **options).reward == 1


@pytest.mark.parametrize(
    ("result", "target", "reward"),
    [("12.87", "13", 4), ("13", "13", 5), ("20", "19", 4), ("850", "855", 3), ("850", "856", 0)],
)
def test_countdown_answers_climb_the_ladder(result: str, target: str, reward: float) -> None:
    text = json.dumps({"expression": "(42 * 19) / (38 + 24)", "result": result})
    graded = grade(text, target, **COUNTDOWN)
    assert graded.reward == reward
    assert graded.grader is not None
    assert graded.grader.range == (0, 5)


def test_the_explanation_says_what_was_read_from_which_form() -> None:
    result = grade("It costs $42.00.", 42)
    assert result.explanation == "42 from '$42.00' (currency+decimal) against 42: distance 0"
    assert result.metrics == {"distance": 0}
    assert (
        grade("1/3", 0.5).explanation
        == "0.333333333333 from '1/3' (fraction) against 0.5: distance 0.166666666667"
    )


def test_percent_is_a_ratio_unless_the_references_leave_the_sign_out() -> None:
    assert grade("50%", 0.5).reward == 1
    assert grade("50%", "50%").reward == 1
    assert grade("50%", 50, percent="number").reward == 1
    mistaken = grade("50%", 50)
    assert mistaken.reward == 0
    assert mistaken.explanation is not None
    assert 'set percent to "number"' in mistaken.explanation
    assert "percent" not in (grade("50", 5000).explanation or "")


@pytest.mark.parametrize(
    "text", ["inf", "nan", "1e999", "9" * 100_000, "", "3 or 4", "no idea", "NaN NaN", "∞", "-Infinity"]
)
@pytest.mark.parametrize("extract", ["whole", "boxed", {"after": "####"}, "last"])
def test_what_is_no_number_never_earns_a_reward(text: str, extract: Any) -> None:
    if extract == "last" and text == "3 or 4":
        return
    for answer in (3, 4, 0):
        result = grade(
            rf"#### {text}" if isinstance(extract, dict) else text, answer, extract=extract, abs_tol=1e300
        )
        assert result.reward == 0
        assert result.failure is not None
        assert (result.failure.kind, result.failure.caused_by) == (FailureKind.SAMPLE_PARSE, "model")


@pytest.mark.parametrize(
    "answer",
    [
        "many",
        "",
        "1,5",
        "3 or 4",
        None,
        True,
        [],
        [True],
        ["x"],
        {"a": 1},
        float("inf"),
        float("nan"),
        "inf",
        [[1]],
    ],
)
def test_a_reference_that_is_no_number_leaves_the_sample_ungraded(answer: Any) -> None:
    result = grade("42", answer)
    assert result.reward is None
    assert result.failure is not None
    assert (result.failure.kind, result.failure.caused_by) == (FailureKind.INVALID_VARIABLE, "grader")


@pytest.mark.parametrize("answer", [[1, 2, 3.5], "[1, 2, 3.5]", ["1", "2", "7/2"]])
def test_lists_compare_element_by_element(answer: Any) -> None:
    assert grade("So [1, 2, 3.5].", answer).reward == 1
    assert grade("So [2, 1, 3.5].", answer).reward == 0
    assert grade("So [2, 1, 3.5].", answer, ordered=False).reward == 1
    short = grade("So [1, 2].", answer)
    assert (short.reward, short.explanation, short.metrics) == (0, "2 numbers against 3", {})


def test_a_long_list_is_explained_in_short() -> None:
    result = grade(str(list(range(9))), list(range(9)))
    assert result.explanation is not None
    assert result.explanation.endswith("against 0, 1, 2, 3, 4 and 4 more: distance 0")


def test_large_numbers_are_compared_exactly_and_shown_in_short() -> None:
    result = grade("123456789012345678", 123456789012345679)
    assert result.reward == 0
    assert result.explanation is not None
    assert "1.23456789012e+17 from" in result.explanation
    assert grade("1e308", -(10**400)).metrics["distance"] == pytest.approx(1.797e308, rel=1e-3)


def test_tolerances_reach_the_comparison() -> None:
    assert grade("1.1", 1, abs_tol=0.1).reward == 1
    assert grade("110", 100, rel_tol=0.1).reward == 1
    assert grade("105", 100, score={"linear": {"scale": 10}}).reward == 0.5


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"extract": "middle"}, "extract"),
        ({"extract": {"after": ""}}, "extract.after"),
        ({"extract": {"regex": "("}}, "extract.regex"),
        ({"score": {"linear": {"scale": -1}}}, "score.linear.scale"),
        ({"score": {"steps": [[0, "x"]]}}, "score.steps.0.1"),
        ({"score": {"steps": [[0, 5]], "range": [0, 1]}}, "score"),
        ({"abs_tol": -1}, "abs_tol"),
        ({"percent": "share"}, "percent"),
        ({"tolerance": 1}, "tolerance"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        load(**options)
    assert [problem.where for problem in caught.value.problems] == [where]


def test_endless_texts_leave_the_callers_process() -> None:
    function: Any = load().function
    assert function.is_bounded(Sample("42"), {"answer": 42})
    assert not function.is_bounded(Sample("4" * (INLINE_LIMIT + 1)), {"answer": 42})
    assert not function.is_bounded(Sample("42"), {"answer": "4" * (INLINE_LIMIT + 1)})
    assert function.is_bounded(Sample(f"<think>{'4' * INLINE_LIMIT}</think>42"), {"answer": 42})


@given(integers_as_text())
def test_every_way_of_writing_the_right_number_earns_the_reward(case: tuple[str, int]) -> None:
    text, value = case
    for extract, said in (
        ("last", f"The answer is {text}."),
        ("whole", text),
        ({"after": "####"}, f"1 2 #### {text}"),
    ):
        assert grade(said, value, extract=extract).reward == 1
        assert grade(said, value + 1, extract=extract).reward == 0


@given(
    number_lookalikes(),
    st.integers(-100, 100),
    st.sampled_from(["whole", "boxed", "first", "last", {"after": "####"}]),
)
def test_any_text_is_graded_inside_the_range(text: str, answer: int, extract: Any) -> None:
    assert grade(text, answer, extract=extract).reward in (0, 1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"extract": {"after": "####"}},
        {"score": {"linear": {"scale": 10, "relative": True}}},
        {"input": "{{item.text}}"},
        {"reference": "#### {{item.answer}}", "reference_extract": {"after": "####"}},
    ],
)
def test_a_batch_gives_the_results_of_its_rows_or_leaves_them_to_be_graded_alone(
    options: dict[str, Any],
) -> None:
    texts = [
        "42",
        "#### 41",
        "It is six.\n#### 42",
        "no idea",
        "<think>41</think>42",
        "4" * 1001 + "\n#### 42",
    ]
    answers = [42, 42.5, 0, "42", "1/3", "[42]", [42], None, True, float("nan")]
    samples = [Sample(text) for text in texts for _ in answers]
    items = [{"answer": answer, "text": "42"} for _ in texts for answer in answers]
    del items[0]["answer"]
    function = load(**options).function
    scores = function.grade_batch(samples, items)
    graded = 0
    for row, (sample, item) in enumerate(zip(samples, items, strict=True)):
        if not math.isnan(scores.rewards[row]):
            graded += 1
            assert scores.returned_for(row, 0.1) == function(sample, item)
            assert scores.rewards[row] == function(sample, item).reward
    assert bool(graded) == ("input" not in options)
