"""The named changes of a text change what they say, and nothing else; unknown names say what there is."""

import re

import pytest
from hypothesis import given

from graders import ConfigurationError
from graders.testing import CHANGES, change_named
from graders.testing.changes import inner_white_space, letter_case, markdown_fence, number_format, white_space
from tests.strategies import any_str, integers_as_text, number_lookalikes, texts


def test_white_space_is_put_around_and_line_ends_become_those_of_windows() -> None:
    assert white_space("a") == [" a", "a\n", "\n\na\n\n", "\ta \t"]
    assert white_space("a\nb\r\nc")[-1] == "a\r\nb\r\nc"
    assert white_space("") == [" ", "\n", "\n\n\n\n", "\t \t"]


def test_inner_white_space_keeps_the_words() -> None:
    assert inner_white_space(" a b\n\nc ") == ["a  b  c", "a\tb\tc", "a\nb\nc", "a\u00a0b\u00a0c"]
    assert inner_white_space("word") == []


def test_a_fence_is_longer_than_any_in_the_text() -> None:
    assert markdown_fence("a") == ["```\na\n```", "```text\na\n```\n", "Here is the answer:\n\n```\na\n```"]
    assert markdown_fence('{"a": 1}')[1] == '```json\n{"a": 1}\n```\n'
    assert markdown_fence("```\nx\n```")[0] == "````\n```\nx\n```\n````"


def test_letter_case_changes_no_letter_to_another() -> None:
    assert letter_case("Straße 1") == ["STRASSE 1", "straße 1", "sTRASSE 1"]
    assert letter_case("ı") == []  # its capital is I, which is another letter's too
    assert letter_case("42") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it is 1234.", ["it is 1,234.", "it is 1234.0.", "it is 1.234e+3."]),
        ("-1,234.50", ["-1234.50", "-1234.500", "-1.23450e+3"]),
        ("7 and 1234567", ["7 and 1,234,567", "7.0 and 1234567.0", "7e+0 and 1.234567e+6"]),
        ("0", ["0.0", "0e+0"]),
        ('{"a":42}', ['{"a":42.0}', '{"a":4.2e+1}']),
        ("(12)", ["(12.0)", "(1.2e+1)"]),
        ("$9", ["$9.0", "$9e+0"]),
    ],
)
def test_number_format_writes_the_same_number_otherwise(text: str, expected: list[str]) -> None:
    assert number_format(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a1",
        "1a",
        "v1.2.3",
        "007",
        "50%",
        "12:30",
        "2024-05-06",
        "1/2",
        "1,2,3",
        "1e5",
        "x_1",
        "3-2",
        "+5",
        "٣",
    ],
)
def test_what_is_no_number_by_itself_keeps_its_format(text: str) -> None:
    assert number_format(text) == []


@given(texts() | any_str() | number_lookalikes())
def test_a_change_gives_other_texts_each_once(text: str) -> None:
    for change in CHANGES.values():
        changed = change(text)
        assert text not in changed
        assert len(set(changed)) == len(changed)


@given(integers_as_text())
def test_number_format_keeps_the_value_of_every_plain_number(written: tuple[str, int]) -> None:
    _, value = written
    for other in number_format(str(value)):
        assert float(re.sub(",", "", other)) == float(value)


def test_changes_are_found_by_name() -> None:
    assert list(CHANGES) == [
        "white_space",
        "inner_white_space",
        "markdown_fence",
        "letter_case",
        "number_format",
    ]
    assert change_named("letter_case") is letter_case
    with pytest.raises(ConfigurationError) as caught:
        change_named("letter cases")
    assert str(caught.value) == (
        "unknown change 'letter cases'; did you mean 'letter_case'? changes: white_space, inner_white_space, "
        "markdown_fence, letter_case, number_format"
    )
    with pytest.raises(ConfigurationError, match=r"unknown change 'qqq'; changes: white_space"):
        change_named("qqq")
