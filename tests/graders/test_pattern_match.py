"""`pattern_match` finds, matches whole, or compares captured groups, and says what it saw."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    ("text", "which", "reward", "explanation"),
    [
        ("x = 3; x = 4", "first", 0.0, "1 captured '3'"),
        ("x = 3; x = 4", "last", 1.0, "every group captured what was wanted"),
        ("x = 3; x = 4", "all", 0.0, "1 captured '3'"),
        ("x = 4; x = 3", "first", 1.0, "every group captured what was wanted"),
        ("x = 4; x = 3", "last", 0.0, "1 captured '3'"),
        ("x = 4; x = 3", "all", 0.0, "1 captured '3'"),
        ("x = 4; x = 4", "all", 1.0, "every group captured what was wanted"),
        ("x = 4", "last", 1.0, "every group captured what was wanted"),
        ("nothing", "last", 0.0, "the pattern does not match"),
        ("nothing", "all", 0.0, "the pattern does not match"),
    ],
)
def test_which_match_counts_can_be_chosen(text: str, which: str, reward: float, explanation: str) -> None:
    assert grade(text, r"x = (\d)", groups={"1": "{{item.a}}"}, which=which) == (reward, explanation)


def test_the_match_that_captured_least_of_what_was_wanted_counts_of_all() -> None:
    groups = {"1": "{{item.a}}", "2": "{{item.b}}"}
    assert grade("4-2, 4-3, 9-9", r"(\d)-(\d)", groups=groups, which="all") == (
        0.0,
        "1 captured '9'; 2 captured '9'",
    )
    assert grade("4-2, 4-3", r"(\d)-(\d)", groups=groups, which="all")[0] == 0.5


@pytest.mark.parametrize("which", ["first", "last", "all"])
def test_without_groups_and_for_a_full_match_it_makes_no_difference(which: str) -> None:
    assert grade("a1 b2", r"[a-z]\d", which=which)[0] == 1
    assert grade("a1 b2", r"c\d", which=which)[0] == 0
    assert grade("4", r"(\d)", groups={"1": "4"}, match="full", which=which)[0] == 1
    assert grade("4 5", r"(\d)", groups={"1": "4"}, match="full", which=which)[0] == 0


def test_another_which_is_refused() -> None:
    with pytest.raises(InvalidOptions, match="which"):
        load("a", which="second")


@given(st.lists(st.integers(0, 9), max_size=9))
def test_the_last_match_is_the_last_of_all(digits: list[int]) -> None:
    text = " ".join(f"x{digit}" for digit in digits)
    for which, wanted in (("first", digits[:1]), ("last", digits[-1:])):
        reward, _ = grade(text, r"x(\d)", groups={"1": str(*wanted)}, which=which)
        assert reward == (1 if digits else 0)


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
