"""Patterns are RE2's: linear time, or refused."""

import pytest
from hypothesis import given

from graders import ConfigurationError, Pattern
from graders.pattern import MAX_MEMORY, MEMORY, encodable
from tests.strategies import any_str, texts


def test_a_pattern_searches_matches_whole_and_finds_all() -> None:
    pattern = Pattern(r"(?P<word>[a-z]+)(\d)?")
    assert pattern.search("12 ab3").group("word") == "ab"
    assert pattern.fullmatch("ab3").group(2) == "3"
    assert pattern.fullmatch("ab3!") is None
    assert [found.group(0) for found in pattern.finditer("ab cd4")] == ["ab", "cd4"]
    assert (pattern.groups, pattern.names) == (2, {"word": 1})
    assert repr(pattern) == r"Pattern('(?P<word>[a-z]+)(\\d)?')"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("(", r"'\(' is not a regular expression that RE2 takes: missing \): \($"),
        (r"\d(", r"missing \): \\d\($"),
        ("(?=a)", r"invalid perl operator: \(\?=; RE2 has no look-around and no back-references"),
        ("(?<!a)b", "RE2 has no look-around and no back-references"),
        (r"(a)\1", "invalid escape sequence: .*; RE2 has no look-around and no back-references"),
        ("a{1001}", r"invalid repetition size: \{1001\}$"),
        ("\ud800", "takes: half a surrogate pair is no character$"),
        ("a" * 100 + "(", "'a{57}…' is not a regular expression"),
    ],
)
def test_what_re2_cannot_compile_is_refused_and_says_why(source: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Pattern(source)


def test_a_pattern_says_how_much_memory_it_may_take_and_takes_little_where_little_will_do() -> None:
    assert Pattern(r"answer: (\d+)").memory == MEMORY
    assert Pattern(r"\pL{300}").memory == MAX_MEMORY
    assert Pattern(r"\pL{300}").fullmatch("é" * 300)


@given(any_str())
def test_any_text_is_a_pattern_or_a_configuration_error(source: str) -> None:
    try:
        pattern = Pattern(source)
    except ConfigurationError:
        return
    pattern.search(source)


@given(any_str())
def test_any_text_can_be_searched(text: str) -> None:
    assert Pattern("").search(text) is not None


@pytest.mark.parametrize(
    ("text", "encoded"), [("a\ud800b", "a\ufffdb"), ("\ud83d\ude00", "\ufffd" * 2), ("é", "é")]
)
def test_half_surrogate_pairs_are_replaced(text: str, encoded: str) -> None:
    assert encodable(text) == encoded


@given(texts())
def test_text_that_can_be_encoded_stays_as_it_is(text: str) -> None:
    assert encodable(text) == text


def test_a_quick_search_is_a_small_expression_on_a_short_text() -> None:
    assert Pattern("a+").is_quick_on("a" * 1000)
    assert not Pattern("[a-z]{1000}").is_quick_on("a" * 10_000)
    assert Pattern("a+").is_quick_on("a" * 100, every=True)
    assert not Pattern("a(.*b)?").is_quick_on("a" * 10_000, every=True)
