"""`pattern_match` finds, matches whole, or compares captured groups, and says what it saw."""

from typing import Any

import pytest

from graders import Grader, GraderResult, InvalidOptions, Registry, Sample

INSTALLED = Registry.installed()


def load(pattern: str, **options: Any) -> Grader:
    return INSTALLED.load(
        {"type": "pattern_match", "input": "{{sample.output_text}}", "pattern": pattern, **options}
    )


def grade(text: str, pattern: str, **options: Any) -> tuple[float | None, str | None]:
    result: GraderResult = load(pattern, **options).function(Sample(text), {"a": "4", "b": "2"})
    return result.reward, result.explanation


@pytest.mark.parametrize(
    ("text", "pattern", "options", "reward", "explanation"),
    [
        ("x = 42", r"\d+", {}, 1.0, "the pattern matches '42'"),
        ("x = 42", r"\d+", {"match": "full"}, 0.0, "the pattern does not match"),
        ("42", r"\d+", {"match": "full"}, 1.0, "the pattern matches '42'"),
        ("42\n", r"\d+", {"match": "full"}, 0.0, "the pattern does not match"),
        ("CAT", "cat", {}, 0.0, "the pattern does not match"),
        ("CAT", "cat", {"ignore_case": True}, 1.0, "the pattern matches 'CAT'"),
        ("", "", {}, 1.0, "the pattern matches ''"),
        ("a" * 100, "a+", {}, 1.0, "the pattern matches '" + "a" * 57 + "…'"),
    ],
)
def test_without_groups_a_match_is_1_and_none_is_0(
    text: str, pattern: str, options: dict[str, Any], reward: float, explanation: str
) -> None:
    assert grade(text, pattern, **options) == (reward, explanation)


@pytest.mark.parametrize(
    ("text", "groups", "reward", "explanation"),
    [
        ("4-2", {"1": "{{item.a}}", "2": "{{item.b}}"}, 1.0, "every group captured what was wanted"),
        ("4-3", {"1": "{{item.a}}", "2": "{{item.b}}"}, 0.5, "2 captured '3'"),
        ("4-2", {"0": "4-2", "left": "4", "right": "3"}, 2 / 3, "right captured '2'"),
        ("4-2", {"left": "4", "1": "4"}, 1.0, "every group captured what was wanted"),
        ("4-2", {"left": "4", "1": "5"}, 0.5, "1 captured '4'"),
        ("4-", {"right": "2"}, 0.0, "right captured nothing"),
        ("4", {"1": "4"}, 0.0, "the pattern does not match"),
    ],
)
def test_with_groups_the_reward_is_the_share_that_captured_what_was_wanted(
    text: str, groups: dict[str, str], reward: float, explanation: str
) -> None:
    assert grade(text, r"(?P<left>\d)-(?P<right>\d)?", groups=groups) == (reward, explanation)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            {"3": "x"},
            r"^groups.3: the pattern has no such capturing group; it has 2, of which these have names: left$",
        ),
        ({"middle": "x"}, "groups.middle: the pattern has no such capturing group"),
        ({"-1": "x"}, "groups.-1: the pattern has no such"),
        ({"9" * 5000: "x"}, "the pattern has no such"),
    ],
)
def test_a_group_that_the_pattern_lacks_is_refused(groups: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidOptions, match=message):
        load(r"(?P<left>\d)-(\d)", groups=groups)


def test_a_pattern_without_names_names_none() -> None:
    with pytest.raises(InvalidOptions, match=r"groups.x: the pattern has no such capturing group; it has 0$"):
        load("a", groups={"x": "y"})


def test_a_hostile_text_is_searched_in_linear_time_or_not_in_the_callers_process() -> None:
    found = load("(a*)*b")
    text = "a" * 100_000
    assert found.function(Sample(text), {}).reward == 0.0
    assert found.function.is_bounded(Sample(text), {})
    assert not load("[a-z]{1000}").function.is_bounded(Sample(text), {})


def test_texts_that_no_encoder_takes_are_searched_with_replacements() -> None:
    assert grade("\ud800 4", r"\d") == (1.0, "the pattern matches '4'")
