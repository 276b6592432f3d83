"""`string_check` compares two rendered texts as published: nothing trimmed, 1 or 0."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import Grader, GraderResult, GradingError, InvalidOptions, Registry, Sample
from graders.samples.sample_column import SampleColumn
from graders.testing import FakeContext
from tests.strategies import texts

INSTALLED = Registry.installed()


def check(operation: str, reference: str = "{{item.a}}") -> Grader:
    return INSTALLED.load(
        {
            "type": "string_check",
            "input": "{{sample.output_text}}",
            "reference": reference,
            "operation": operation,
        }
    )


@pytest.mark.parametrize(
    ("operation", "text", "reference", "reward"),
    [
        ("eq", "cat", "cat", 1),
        ("eq", "cat ", "cat", 0),
        ("eq", "Cat", "cat", 0),
        ("eq", "", "", 1),
        ("eq", "\u00e9", "e\u0301", 0),
        ("ne", "cat", "cat", 0),
        ("ne", "cat", "dog", 1),
        ("neq", "cat", "cat ", 1),
        ("like", "a red cat", "red", 1),
        ("like", "red", "a red cat", 0),
        ("like", "a Red cat", "red", 0),
        ("like", "cat", "", 1),
        ("ilike", "a RED cat", "Red", 1),
        ("ilike", "a ROTE KATZE", "kat", 1),
        ("ilike", "a red cat", "blue", 0),
    ],
)
async def test_each_operation_is_the_published_one(
    operation: str, text: str, reference: str, reward: float
) -> None:
    result = await FakeContext().grade(check(operation), Sample(text), {"a": reference})
    assert result.reward == reward


@given(
    operation=st.sampled_from(["eq", "ne", "neq", "like", "ilike"]),
    rows=st.lists(st.tuples(texts(20), texts(4) | st.none()), max_size=5),
)
def test_grading_a_batch_is_grading_each(operation: str, rows: list[tuple[str, str | None]]) -> None:
    found = check(operation)
    column = SampleColumn([text for text, _ in rows])
    items = [{} if part is None else {"a": part} for _, part in rows]
    batch = list(found.function.grade_batch(column, items).rewards)
    for sample, item, reward in zip(column, items, batch, strict=True):
        try:
            alone = found.function(sample, item)
        except GradingError:
            assert math.isnan(reward)
            continue
        if isinstance(alone, GraderResult):  # its explanation says something
            assert math.isnan(reward)
        else:
            assert reward == alone


@given(texts(20), texts(20))
def test_ne_is_not_eq_and_every_text_contains_itself(left: str, right: str) -> None:
    sample, item = Sample(left), {"a": right}
    assert check("ne").function(sample, item) is not check("eq").function(sample, item)
    assert check("neq").function(sample, item) is check("ne").function(sample, item)
    assert check("like", "{{sample.output_text}}").function(sample, item)
    assert check("ilike").function(Sample(left + right.upper() + left), {"a": right.upper()})


@pytest.mark.parametrize(
    ("text", "part"), [("ΑΣΑ", "ας"), ("οδός", "ΟΔΌΣ"), ("STRASSE", "straße"), ("ǅ", "ǆ")]
)
def test_ilike_knows_the_letter_case_of_every_script(text: str, part: str) -> None:
    assert check("ilike").function(Sample(text), {"a": part})
    assert not check("like").function(Sample(text), {"a": part})


def test_a_missing_variable_is_a_failure_and_no_reward() -> None:
    with pytest.raises(GradingError, match=r"\{\{item.a\}\} is not there: item has b"):
        check("ne").function(Sample("x"), {"b": 1})


@pytest.mark.parametrize("changed", [{"operation": "EQ"}, {"operation": None}, {"input": 5}, {"trim": True}])
def test_a_wrong_field_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidOptions, match=next(iter(changed))):
        INSTALLED.load({"type": "string_check", "input": "", "reference": "", "operation": "eq", **changed})


@pytest.mark.parametrize(
    ("operation", "reference", "explanation"),
    [
        ("ilike", "", "the reference is empty, and every text contains it: anything passes"),
        ("like", " ", "the reference is empty"),
        ("like", "b", "the reference is one character, 'b', and almost every text contains it"),
        ("eq", "b", None),
        ("ilike", "ab", None),
    ],
)
async def test_a_check_that_anything_passes_says_so(
    operation: str, reference: str, explanation: str | None
) -> None:
    result = await FakeContext().grade(check(operation), Sample("a b ab"), {"a": reference})
    if explanation is None:
        assert result.explanation is None
    else:
        assert (result.explanation or "").startswith(explanation)
