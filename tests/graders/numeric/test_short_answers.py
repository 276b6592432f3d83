"""A short answer is read as the search for a number reads it: the same number, text and form, whatever the text."""

from itertools import combinations, cycle, islice, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.kinds.numeric.extraction import Extract, read_number, search_number
from graders.kinds.numeric.forms import NumberError
from graders.kinds.numeric.scanner import Number
from graders.kinds.numeric.short_answers import short_answer
from tests.graders.numeric.test_phrases import KINDS, PLACES, phrases
from tests.strategies import any_str, integers_as_text, number_lookalikes

EXTRACTS: dict[str, Extract] = {
    str(place): Extract.model_validate(place)
    for place in (
        "last", "first", "whole", "boxed", {"after": "####"}, {"after": "#"}, {"after": "Answer:"}, {"after": "answer is"},
        {"after": "1"}, {"after": " "}, {"after": "."}, {"after": "\n"}, {"regex": "is (.*)"},
    )
}  # fmt: skip
WORDS = (
    "", "#", "# ", "####", "#### ", "###### ", "The answer is ", "the final answer is: ", "Answer: ", "Final answer: ",
    "The correct Answer is: ",
)  # fmt: skip
NUMBERS = (
    "42",
    "-42",
    "0",
    "-0",
    "007",
    "123456789012345",
    "3.5",
    "-3.50",
    "0.1",
    "1,234",
    "-1,234,567",
    "12,345,678,901,234",
)


def searched(text: str, extract: Extract) -> Number | None:
    try:
        return search_number(text, extract)
    except NumberError:
        return None


def check(text: str, extract: Extract) -> bool:
    """Whether a text is a short answer; what is one must be read alike both ways."""
    short = short_answer(text, extract.mode, extract.after)
    if short is not None:
        assert short == searched(text, extract), (text, extract)
    return short is not None


PARTS = (
    ("", "\n", "  \n "), WORDS, ("{}", r"\boxed{{{}}}", r"$\boxed{{{}}}$"), NUMBERS, ("", "."), ("", "\n", "  \n"),
)  # fmt: skip
EVERY_13TH = 13
"""No number of parts has this factor, so that every part stands beside every other one in one in 13 of the combinations."""


def check_combinations(place: str, step: int) -> None:
    taken = 0
    for space, words, frame, number, stop, end in islice(product(*PARTS), 0, None, step):
        taken += check(space + words + frame.format(number) + stop + end, EXTRACTS[place])
    assert taken or place in ("{'regex': 'is (.*)'}", "{'after': '1'}", "{'after': '.'}")


@pytest.mark.parametrize("place", EXTRACTS)
def test_every_pair_of_the_patterns_parts_is_read_alike(place: str) -> None:
    check_combinations(place, EVERY_13TH)


@pytest.mark.few(4)
@pytest.mark.slow
@pytest.mark.parametrize("place", EXTRACTS)
def test_every_combination_of_the_patterns_parts_is_read_alike(place: str) -> None:
    check_combinations(place, 1)


def test_every_pair_of_parts_is_among_every_13th_combination() -> None:
    tried = list(islice(product(*PARTS), 0, None, EVERY_13TH))
    for one, other in combinations(range(len(PARTS)), 2):
        assert {(parts[one], parts[other]) for parts in tried} == set(product(PARTS[one], PARTS[other]))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("12", "last"), ("#### 12", "last"), ("#12", "first"), ("The answer is 12.", "last"), (r"\boxed{12}", "last"),
        (r"$\boxed{1,200}$.", "boxed"), ("Two and two make four.\n#### 12", "last"), ("It is 3 or 4\n#### 12", "{'after': '####'}"),
    ],
)  # fmt: skip
def test_what_models_write_most_needs_no_search(text: str, place: str) -> None:
    assert check(text, EXTRACTS[place])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("not 12", "last"), ("#### 12 or 13", "last"), ("at least\n#### 12", "last"), ("12%", "last"), ("1,5", "whole"),
        ("#### 12\nNo, that is wrong.", "{'after': '####'}"), ("#### 11\n#### 12", "{'after': '####'}"), ("١٢", "last"),
        (r"-\boxed{12}", "boxed"), (r"In all\. #### 12", "last"), ("1" * 16, "last"), ("12", "{'regex': 'is (.*)'}"),
    ],
)  # fmt: skip
def test_what_needs_a_look_is_left_to_the_search(text: str, place: str) -> None:
    assert not check(text, EXTRACTS[place])


@pytest.mark.few(4)
@pytest.mark.parametrize("kind", KINDS)
def test_every_phrase_of_the_tables_is_read_alike(kind: str) -> None:
    others = cycle(EXTRACTS.values())
    for phrase in phrases(kind):
        own = Extract.model_validate(PLACES.get(phrase.place, phrase.place))
        check(phrase.text, own)
        check(f"{phrase.text}\n#### 12", own)
        check(f"{phrase.text}.\n#### 12.", next(others))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_phrase_of_the_tables_is_read_alike_in_every_place(kind: str) -> None:
    for phrase, extract in product(phrases(kind), EXTRACTS.values()):
        check(phrase.text, extract)
        check(f"{phrase.text}\n#### 12", extract)
        check(f"{phrase.text}.\n#### 12.", extract)


PIECES = st.sampled_from(
    [
        "not ", "minus ", "or ", "####", "#", " ", "\n", ".", "!", ";", "\\", "\\.", "{", "}", "\\frac12", r"\boxed{", "$", "answer is ",
        "The answer is ", "Answer: ", "<think>", "</think>", "```\n", "~~", "Wait, ", "No, that is wrong.", "= ", "-", "(", ")", "[", "]",
        "½", "²", "１２", "١٢", "π", "−", "×", "\u200b", "\u3000", "\xa0", "\ud800", "1,234", "12", "0.5", "50%", "at least ", "\r",
    ]
)  # fmt: skip


@given(
    st.lists(PIECES | any_str(4) | number_lookalikes() | integers_as_text().map(lambda case: case[0]), max_size=8).map("".join),
    st.sampled_from(["", ".\n#### ", "#### ", "Answer: ", r"\boxed{"]),
    st.sampled_from([*NUMBERS, ""]),
    st.sampled_from(list(EXTRACTS)),
)  # fmt: skip
def test_any_text_is_read_alike(before: str, marker: str, number: str, place: str) -> None:
    check(f"{before}{marker}{number}{'}' if marker.endswith('{') else ''}", EXTRACTS[place])


@given(number_lookalikes(), st.sampled_from(["last", "first", "whole"]))
def test_reading_is_the_search(text: str, place: Any) -> None:
    extract = EXTRACTS[place]
    try:
        read = read_number(text, extract)
    except NumberError:
        read = None
    assert read == searched(text, extract)
