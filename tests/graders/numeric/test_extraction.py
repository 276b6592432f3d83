"""The answer is looked for where the author says, and must be one number there."""

import json
from contextlib import suppress
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from graders.kinds.numeric.extraction import (
    MAX_ELEMENTS,
    MAX_PLACES,
    MAX_STATED,
    MAX_STATEMENT,
    Extract,
    find_places,
    read_number,
    read_numbers,
)
from graders.kinds.numeric.forms import NumberError
from graders.kinds.numeric.places import boxes
from tests.strategies import any_str, number_lookalikes, texts
from tools import make_worked_answers as worked_answers

PLACES: tuple[Any, ...] = ("whole", "boxed", {"after": "####"}, {"regex": "(?s)<a>(.*)</a>"})


def extract(value: Any) -> Extract:
    return Extract.model_validate(value)


def stated(text: str, place: Any) -> str:
    """The text as the answer at a place."""
    if place == "whole":
        return text
    if place == "boxed":
        return rf"So \boxed{{{text}}}."
    return f"7 #### {text}\nDone." if "after" in place else f"1 <a>{text}</a> 2"


@pytest.mark.parametrize(
    ("text", "place", "found"),
    [
        ("a b", "whole", ["a b"]),
        ("a b", "last", ["a b"]),
        (r"x \boxed{1} \boxed{2} y", "boxed", ["1", "2"]),
        (r"\boxed{\frac{3}{4}}", "boxed", [r"\frac{3}{4}"]),
        (r"\boxed {5}", "boxed", ["5"]),
        (r"\fbox{5} \framebox{6}", "boxed", ["5", "6"]),
        (r"\boxed{1 + \boxed{2}}", "boxed", [r"1 + \boxed{2}"]),
        (r"\boxed{\{1\}}", "boxed", [r"\{1\}"]),
        (r"\boxed{1} then \boxed{2", "boxed", []),
        (r"\boxed{1} then \boxed 2", "boxed", ["1", "2"]),
        (r"\(\boxed 2\) or \[\boxed 3\]", "boxed", ["2", "3"]),
        (r"\boxed{1} then \boxed ", "boxed", []),
        (r"\boxedin{1}", "boxed", []),
        ("no box", "boxed", []),
        ("#### 1\n#### 2 \n3", {"after": "####"}, ["1", "2"]),
        ("Answer:\n\n 42\n43", {"after": "Answer:"}, ["42"]),
        ("Answer:\n\\[\n42\n", {"after": "Answer:"}, ["42"]),
        ("Answer:", {"after": "Answer:"}, [""]),
        ("nothing", {"after": "Answer:"}, []),
        ("x = 1; x = 2;", {"regex": "x = ([0-9]+)"}, ["2"]),
        ("x = 1", {"regex": "[0-9]"}, ["1"]),
        ("x = 1", {"regex": "y"}, []),
        ("b", {"regex": "(a)?b"}, []),
    ],
)
def test_finds_the_places(text: str, place: Any, found: list[str]) -> None:
    assert [place.text for place in find_places(text, extract(place))] == found


def test_480_worked_answers_are_all_read() -> None:
    rows = [json.loads(line) for line in worked_answers.OUTPUT.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 480
    for row in rows:
        for place in (row["extract"], "last"):
            assert read_number(row["text"], extract(place)).exact == Fraction(row["answer"]), row


def test_the_worked_answers_are_those_that_the_generator_makes() -> None:
    assert worked_answers.OUTPUT.read_bytes() == worked_answers.as_lines().encode()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", ["7 = 7.0", "65 (65)", "7", "7 apples", "$7.00", "x = 7"])
def test_one_number_may_be_repeated_and_have_a_unit(text: str, place: Any) -> None:
    assert read_number(stated(text, place), extract(place)).exact in (7, 65)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "text",
    [
        "3 or 4",
        "3*3",
        "7 1e999",
        "2x + 1",
        r"\pi",
        r"7, not \pi",
        r"7 \in \mathbb{N}",
        "",
        "apples",
        "1,5",
        "50 (50%)",
    ],
)
def test_a_place_that_does_not_state_one_number_gives_none(text: str, place: Any) -> None:
    with pytest.raises(NumberError):
        read_number(stated(text, place), extract(place))


@given(
    st.integers(-999, 999),
    st.integers(-999, 999),
    st.sampled_from(PLACES),
    st.sampled_from([" or ", ", ", " and ", "\t", "; "]),
)
def test_two_different_numbers_are_no_answer(one: int, other: int, place: Any, between: str) -> None:
    if one != other:
        with pytest.raises(NumberError):
            read_number(stated(f"{one}{between}{other}", place), extract(place))


def test_first_and_last_look_through_prose() -> None:
    text = "First 3 apples, then 4."
    assert read_number(text, extract("first")).exact == 3
    assert read_number(text, extract("last")).exact == 4


@pytest.mark.parametrize("mode", ["first", "last"])
@pytest.mark.parametrize("text", ["", "none", "1e999", "nan"])
def test_first_and_last_do_not_fall_back_on_anything(text: str, mode: str) -> None:
    with pytest.raises(NumberError):
        read_number(text, extract(mode))


def test_an_unreadable_last_number_hides_the_one_before() -> None:
    with pytest.raises(NumberError, match="'1e999' is not finite"):
        read_number("It is 42, no, 1e999", extract("last"))


@pytest.mark.parametrize("place", [*PLACES[1:], "whole"])
def test_a_missing_place_says_what_was_missing(place: Any) -> None:
    with pytest.raises(NumberError, match="there is no"):
        read_number("nothing", extract(place))


def test_more_candidates_than_can_be_compared_are_refused() -> None:
    boxes = " ".join(rf"\boxed{{{number}}}" for number in range(MAX_PLACES + 2))
    with pytest.raises(NumberError, match="more than 100 different answers"):
        read_number(boxes, extract("boxed"))
    with pytest.raises(NumberError, match="more than 100 numbers"):
        read_number("7 " * (MAX_STATED + 1), extract("whole"))
    assert read_number("7 " * MAX_STATED, extract("whole")).exact == 7


def test_a_box_is_read_with_what_stands_around_it() -> None:
    assert read_number(r"$x = -\boxed{5}$", extract("boxed")).exact == -5
    assert read_number(r"It is minus \boxed{5}.", extract("boxed")).exact == -5
    assert read_number(r"\boxed{50}\%", extract("boxed")).exact == Fraction(1, 2)
    assert read_number(r"\boxed{50}\%", extract("boxed"), "number").exact == 50
    for text in (r"\boxed{5}0", r"x\boxed{5}", r"-\boxed{-5}", r"\frac{1}{\boxed{5}}", r"\boxed{5},000"):
        with pytest.raises(NumberError):
            read_number(text, extract("boxed"))


def test_an_endless_statement_is_refused() -> None:
    with pytest.raises(NumberError, match="longer than"):
        read_number("7 " * MAX_STATEMENT, extract("whole"))


@pytest.mark.parametrize(
    ("text", "place", "values"),
    [
        ("[1, 2, 3]", "whole", [1, 2, 3]),
        ("1, 2, and 3", "whole", [1, 2, 3]),
        ("1 and 2, 3", "whole", [1, 2, 3]),
        ("(1; 2,5)", "whole", None),
        ("1; 2", "whole", [1, 2]),
        ("1 2 3", "whole", [1, 2, 3]),
        ("[1 -3 1/2]", "whole", [1, -3, Fraction(1, 2)]),
        (r"\boxed{\{1, 2\}}", "boxed", [1, 2]),
        ("[1,234]", "whole", [1, 234]),
        ("first [1, 2] then [3, 4] (see above)", "last", [3, 4]),
        ("first [1, 2] then [3, 4]", "first", [1, 2]),
        ("[1, 2] = [1.0, 2.0]", "whole", [1, 2]),
        ("[1, 2] or [2, 1]", "whole", None),
        ("1, 2", "last", None),
        (r"\boxed{[1, 2]} or \boxed{[2, 1]}", "boxed", None),
        (r"\boxed{[1, 2]} and \boxed{[1, 2.0]}", "boxed", [1, 2]),
        (r"\boxed{x} and \boxed{[1, 2]}", "boxed", [1, 2]),
        ("[1, 2]. No, that is wrong.", "last", None),
        ("[1, 2]. No, that is wrong: [1, 3]", "first", [1, 2]),
        ("[1, x]", "whole", None),
        ("[1,,2]", "whole", None),
        ("", "whole", None),
        ("[" + "1," * MAX_ELEMENTS + "1]", "whole", None),
    ],
)
def test_reads_lists(text: str, place: Any, values: list[Any] | None) -> None:
    if values is None:
        with pytest.raises(NumberError):
            read_numbers(text, extract(place))
    else:
        assert [number.exact for number in read_numbers(text, extract(place))] == values


@given(texts() | any_str() | number_lookalikes(), st.sampled_from([*PLACES, "last", "first"]))
def test_any_text_gives_a_number_or_is_refused(text: str, place: Any) -> None:
    for read in (read_number, read_numbers):
        with suppress(NumberError):
            assert read(text, extract(place))


@given(st.text(st.sampled_from("{}\\ab"), max_size=20), st.text(st.sampled_from("ab1 "), max_size=9))
def test_the_last_box_is_found_whatever_stands_before_it(before: str, inside: str) -> None:
    assert boxes(rf"{before} \boxed{{{inside}}}")[-1].text == inside


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"after": ""},
        {"after": "a", "regex": "b"},
        "middle",
        {"regexp": "a"},
        {"regex": "("},
        {"regex": "(?=a)"},
        3,
    ],
)
def test_an_extract_names_one_place(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        extract(wrong)


def test_the_json_schema_offers_words_and_one_field_objects() -> None:
    schema = TypeAdapter(Extract).json_schema()
    words, places = schema["anyOf"]
    assert words["enum"] == ["whole", "last", "first", "boxed"]
    assert sorted(places["properties"]) == ["after", "regex"]
