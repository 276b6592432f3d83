"""Assertions that compare rewards hold where they should, and show all rewards where they do not."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from graders import ConfigurationError, Context, GradingError, Item, Sample, grader
from graders.testing import (
    FakeContext,
    FakeJudge,
    any_answer,
    assert_monotone,
    assert_order,
    assert_unchanged_by,
)


@grader("keyword")
def keyword(sample: Sample, item: Item, *, words: list[str]) -> float:
    return sum(word in sample.output_text for word in words) / len(words)


@grader("shorter")
def shorter(samples: Sequence[Sample], item: Item) -> list[float]:
    longest = max(len(sample.output_text) for sample in samples)
    return [1 - len(sample.output_text) / longest for sample in samples]


@grader("exact")
def exact(sample: Sample, item: Item) -> bool:
    if not sample.output_text:
        raise GradingError("nothing to grade")
    return bool(sample.output_text == item["answer"])


@grader("asked")
async def asked(sample: Sample, item: Item, context: Context) -> float:
    messages = [{"role": "user", "content": sample.output_text.strip()}]
    schema = {"properties": {"score": {"type": "number"}}}
    return float(
        (await context.judge.ask(model="m", messages=messages, schema=schema, sampling={})).output["score"]
    )


WORDS: dict[str, Any] = {"options": {"words": ["red", "cat"]}}


def refusal(check: Callable[..., None], *args: Any, **how: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        check(*args, **how)
    return str(caught.value)


def test_samples_in_order_pass() -> None:
    assert_order(keyword, ["a red cat", "a cat", Sample("a dog")], {}, **WORDS)
    assert_order(shorter, ["a", "bb", "ccc"], {})
    assert_order(keyword, ["a red cat", "a cat", "a red dog"], {}, ties=True, **WORDS)


def test_samples_out_of_order_are_shown_with_their_rewards() -> None:
    assert refusal(assert_order, keyword, ["a cat", "a red dog", "x", "a red cat"], {}, **WORDS) == (
        "keyword does not order these samples from best to worst:\n"
        "  0.5          'a cat'\n"
        "  0.5          'a red dog'  <- not below the one before\n"
        "  0            'x'\n"
        "  1            'a red cat'  <- not below the one before"
    )
    assert "'a red cat'  <- not below" in refusal(
        assert_order, keyword, ["cat", "a red cat"], {}, ties=True, **WORDS
    )


def test_an_ungraded_sample_has_no_place_in_an_order() -> None:
    message = "exact left '' ungraded: nothing to grade"
    assert refusal(assert_order, exact, ["a", ""], {"answer": "a"}) == message
    message = "exact, grading 'a': it raises KeyError: 'answer'"
    assert refusal(assert_order, exact, ["a", "b"], {}) == message


@pytest.mark.parametrize("check", [assert_order, assert_monotone])
def test_one_sample_cannot_be_compared(check: Callable[..., None]) -> None:
    with pytest.raises(ConfigurationError, match=r"give at least two samples to compare; got 1"):
        check(exact, ["a"], {"answer": "a"})


def test_a_change_that_does_not_matter_passes() -> None:
    assert_unchanged_by(
        keyword, "a red cat", {}, "white_space", "inner_white_space", "markdown_fence", **WORDS
    )
    context = FakeContext(judge=FakeJudge(any_answer))
    assert_unchanged_by(asked, " yes", {}, "white_space", context=context)


def test_a_change_that_matters_is_named_with_the_rewards() -> None:
    assert refusal(assert_unchanged_by, exact, "1234", {"answer": "1234"}, "number_format") == (
        "exact gives another reward after the change number_format:\n"
        "  1            '1234'\n"
        "  0            '1,234'  <- changed\n"
        "  0            '1234.0'  <- changed\n"
        "  0            '1.234e+3'  <- changed"
    )


def test_a_change_may_be_a_function() -> None:
    def politely(text: str) -> list[str]:
        return [f"Please: {text}"]

    assert_unchanged_by(keyword, "a cat", {}, politely, **WORDS)
    assert "after the change politely:" in refusal(assert_unchanged_by, exact, "a", {"answer": "a"}, politely)


def test_a_change_reaches_every_place_where_a_sample_has_its_text() -> None:
    @grader("by_choice")
    def by_choice(sample: Sample, item: Item) -> bool:
        call = sample.output_tools[0]["function"]["name"]
        return bool(sample.choices[0]["message"]["content"] == sample.output_text and call == "f")

    message = {"role": "assistant", "content": "a", "tool_calls": [{"function": {"name": "f"}}]}
    assert_unchanged_by(by_choice, Sample.load({"choices": [{"message": message}]}), {}, "white_space")
    tools = Sample("a", output_tools=message["tool_calls"])  # type: ignore[arg-type]  # a list of dicts, as written above
    assert_unchanged_by(by_choice, tools, {}, "letter_case")


def test_a_change_that_changes_nothing_says_nothing() -> None:
    with pytest.raises(
        ConfigurationError, match=r"number_format finds nothing to change in 'a'; take a sample"
    ):
        assert_unchanged_by(exact, "a", {"answer": "a"}, "number_format")
    with pytest.raises(ConfigurationError, match=r"name at least one change"):
        assert_unchanged_by(exact, "a", {"answer": "a"})
    with pytest.raises(ConfigurationError, match=r"unknown change 'case'"):
        assert_unchanged_by(exact, "a", {"answer": "a"}, "case")


def test_a_reward_that_rises_or_falls_passes() -> None:
    assert_monotone(keyword, ["", "cat", "red", "red cat"], {}, **WORDS)
    assert_monotone(shorter, lambda length: "x" * length, {}, falling=True)
    assert_monotone(keyword, lambda number: Sample("red cat"[:number]), {}, at=[0, 3, 7], **WORDS)


def test_a_reward_that_goes_the_other_way_is_shown() -> None:
    assert refusal(assert_monotone, keyword, ["cat", "red cat", "x", "red cat"], {}, **WORDS) == (
        "the reward of keyword does not rise from sample to sample:\n"
        "  0.5          'cat'\n"
        "  1            'red cat'\n"
        "  0            'x'  <- the wrong way\n"
        "  1            'red cat'"
    )
    assert "does not fall from sample" in refusal(
        assert_monotone, keyword, ["x", "cat"], {}, falling=True, **WORDS
    )


def test_a_reward_that_is_the_same_everywhere_does_not_rise() -> None:
    message = refusal(assert_monotone, keyword, ["x", "y"], {}, **WORDS)
    assert message.startswith("the reward of keyword does not rise: all rewards are equal:\n  0 ")
