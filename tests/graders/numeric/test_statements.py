"""Numbers that a text holds without stating them as its answer: of equations, questions, cases, labels and mentions."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.kinds.numeric.cases import other_answers
from tests.graders.numeric.test_phrases import read

LETTERS = st.sampled_from("abcdnpqrtuvwxyz")
VALUES = st.integers(10, 9_999)
SMALL = st.integers(2, 9)
FRAMES = ("{}", "So {}.", "${}$", "Therefore, {}", "**{}**", "We get {} in the end.")
CONDITIONS = (
    "{n}{x} = {v}", "{n} {x} = {v}", "{n}*{x} = {v}", r"{n} \cdot {x} = {v}", "{x}^{n} = {v}", "{x}^{{{n}}} = {v}", "{x} + {n} = {v}",
    "{x} - {n} = {v}", "{n} - {x} = {v}", "{x}/{n} = {v}", "{n}/{x} = {v}", r"\frac{{{x}}}{{{n}}} = {v}", r"\frac{{{n}}}{{{x}}} = {v}",
    r"\frac{{{x} + 1}}{{{n}}} = {v}", "{x}! = {v}", "sqrt({x}) = {v}", r"\sqrt{{{x}}} = {v}", "√{x} = {v}", "|{x} - {n}| = {v}",
    "ln({x}) = {v}", r"\ln {x} = {v}", r"\log_{n} {x} = {v}", "sin({x}) = {v}", r"\cos({x}) = {v}", "{n}({x} + 1) = {v}",
    "{x}({x} + {n}) = {v}", "{x}^2 + {x} = {v}", "{v} = {x}!", "{v} = {x}^{n}", "{v} = sqrt({x})", "{n}{x} == {v}", "{n}{x} = {v} = {v}",
)  # fmt: skip
SOLVED = (
    "{x} = {v}", "{x}={v}", "{x} == {v}", "{x} := {v}", "({x}) = {v}", "{x}_{n} = {v}", "{x}' = {v}", "f({x}) = {v}", "f({n}) = {v}",
    "P(A) = {v}", "AB = {v}", "total = {v}", "total cost = {v}", "{n}{x} = {n}0, so {x} = {v}", "{x} + {n} = {v}1 → {x} = {v}",
    r"{n}{x} = {n}0 \implies {x} = {v}", "{x} = {n}y = {v}", "A = {x}^{n} = {v}", "speed × {x} = {v}", "i + {x} + w = {v}",
    "the area is {x}^{n} = {v}", "{n}{x} = {n}(7) = {v}", "{n}{x} = \\boxed{{{v}}}", "{v} = {x}", "α + β = {v}", r"|AB| = {v}", "{x}z = {v}",
)  # fmt: skip


@pytest.mark.parametrize("written", ["42 = x + tax", "So 42 = speed × t.", "42 = n * rate", "42 = hours"])
def test_a_word_on_the_right_side_is_a_quantity(written: str) -> None:
    assert read(written, "last") == 42


@given(LETTERS, SMALL, VALUES, st.sampled_from(CONDITIONS), st.sampled_from(FRAMES))
def test_an_equation_in_one_unknown_states_no_value(
    letter: str, small: int, value: int, equation: str, frame: str
) -> None:
    written = equation.format(x=letter, n=small, v=value)
    assert read(frame.format(written), "last") is None
    assert read(f"#### {written}", "last") is None
    assert read(f"Answer: {written}", {"after": "Answer:"}) is None
    assert read(rf"\boxed{{{written}}}", "boxed") is None


@given(st.sampled_from("bknpqrtuv"), SMALL, VALUES, st.sampled_from(SOLVED), st.sampled_from(FRAMES))
def test_a_name_a_calculation_or_a_quantity_has_the_number_as_its_value(
    letter: str, small: int, value: int, equation: str, frame: str
) -> None:
    assert read(frame.format(equation.format(x=letter, n=small, v=value)), "last") == value


@given(VALUES, st.sampled_from(
    ["Is it {}?", "{}?", "{} ?", "Could the answer be {}?", "The answer is {}, right?", "So {} apples?", "**{}**?", "${}$?", r"Is it \boxed{{{}}}?",
     "7? {}?", "I don't know. {}?", "Would {} work?", "{}？", "Perhaps {} (or so)?", "Do you mean {}?!"]
))  # fmt: skip
def test_a_number_that_is_asked_about_is_no_answer(value: int, question: str) -> None:
    assert read(question.format(value), "last") is None
    assert read(f"Let me see. {question.format(value)}", "last") is None


@given(VALUES, st.sampled_from(
    ["How many? {}", "How many are there? {}.", "Is it {}? Yes.", "The answer is {}. Any questions?", "{}\nDoes that help?",
     "The answer is {}, would you like to see more?", "Why? Because 6 * 7 = {}.", "see [{}](http://a.org/?q=a)"]
))  # fmt: skip
def test_a_number_beside_a_question_is_an_answer(value: int, text: str) -> None:
    assert read(text.format(value), "last") == value


@given(st.integers(10, 99), st.integers(10, 99), st.sampled_from(
    ["x = {}, y = {}", "x={},y={}", "p = {}; q = {}", "a = {}, and b = {}", "{} → {}", "{} -> {}", r"{} \to {}", r"${} \mapsto {}$", "{} ==> {}",
     "{} {}", "{} if n is even and {} if n is odd", "{} if x > 0, otherwise {}", "{} if it rains, else {}", "{} when n is odd; {} when n is even",
     "If n is even, {}; if n is odd, {}", "{} for even n and {} for odd n", "It is {} unless n is odd, then {}"]
))  # fmt: skip
def test_two_answers_count_only_where_they_are_equal(one: int, other: int, frame: str) -> None:
    for place in ("last", "first"):
        assert read(frame.format(one, other), place) in ({None, one} if one == other else {None})


@given(st.integers(1, 999), st.integers(10, 99), st.sampled_from(
    ["step {}", "equation ({})", "Eq. {}", "Theorem {}", "see page {}", "see line {}", "Figure {}", "problem {}", "by ({})"]
))  # fmt: skip
def test_the_number_of_a_place_is_passed_over(label: int, value: int, place: str) -> None:
    written = place.replace("{}", str(label))
    assert (
        read(f"The answer is {value} ({written})" if "(" not in written else f"{value}, {written}", "last")
        == value
    )
    assert read(f"See {written}", "last") is None


@given(VALUES, st.sampled_from(
    ["I ruled out {}.", "We can rule out {}", "I tried {}", "Let us discard {}.", "I eliminated {} because it is odd", "Ignore {}",
     "The answer has {} digits", "The result contains {} letters", "The answer consists of {} parts", "My first guess was {}", "My guess was {}.",
     "My previous answer was {}", "I initially got {}", "At first I thought {}", "Add {} to get the answer", "Multiply by {} to find the total",
     "Use {} to obtain the result", "Now add {}.", "We add {}", "Do not use {}", "Suppose it is {}", "The answer ends in {}"]
))  # fmt: skip
def test_a_number_that_is_only_mentioned_is_no_answer(value: int, text: str) -> None:
    assert read(text.format(value), "last") is None
    assert read(f"{text.format(7)}\nThe answer is {value}", "last") == value


UNKNOWN = (
    "unknown", "none", "N/A", "undefined", "not known", "cannot be determined", "I don't know", "impossible", "to be determined", "?",
    "indeterminate", "no solution", "does not exist", "still unclear",
)  # fmt: skip


@given(
    VALUES,
    st.sampled_from(UNKNOWN),
    st.sampled_from(
        [
            "Final answer: {}",
            "Answer: {}",
            "**Answer:** {}",
            "The answer is {}.",
            "#### {}",
            r"Answer: \boxed{{\text{{{}}}}}",
        ]
    ),
)
def test_an_explicit_answer_that_is_not_known_takes_the_number_back(
    value: int, unknown: str, frame: str
) -> None:
    final = frame.format(unknown)
    assert read(f"We get {value}.\n{final}", "last") is None
    assert read(f"Reasoning: {value}\n{final}", "last") is None
    assert read(f"{final}\nNow we know more: the answer is {value}", "last") == value


@pytest.mark.parametrize(
    "doubt",
    [
        "I am not sure.",
        "I'm not certain.",
        "But I'm not really sure.",
        "I don't know.",
        "I have no idea.",
        "I give up.",
        "(not sure)",
    ],
)
def test_an_answer_that_its_writer_does_not_stand_by_is_none(doubt: str) -> None:
    assert read(f"42. {doubt}", "last") is None
    assert read(f"Answer: 42. {doubt}", {"after": "Answer:"}) is None


@given(st.integers(0, 99), st.integers(0, 99), st.integers(1, 3))
def test_a_decimal_with_a_bar_is_its_fraction(once: int, repeated: int, length: int) -> None:
    digits = str(repeated).zfill(length)[:length]
    expected = Fraction(int(f"{once}{digits}") - once, (10**length - 1) * 10 ** len(str(once)))
    assert read(rf"0.{once}\overline{{{digits}}}", "last") == expected
    assert read(rf"-0.{once}\overline{{{digits}}}", "last") == -expected
    assert read(rf"x + 0.{once}\overline{{{digits}}}", "last") is None


@given(st.integers(1, 99), st.sampled_from("ABCDEFabcdef"))
def test_a_letter_of_a_hexadecimal_number_makes_it_no_number(value: int, letter: str) -> None:
    assert read(rf"\boxed{{{value}{letter}}}", "boxed") is None
    assert read(f"The answer is {value}{letter}.", "last") is None


@given(
    st.integers(1, 999),
    st.sampled_from(
        ["|{{-{}}}|", "|-{}|", "| -{} |", r"\left|{{-{}}}\right|", r"\lvert -{} \rvert", "-|{}|"]
    ),
)
def test_bars_around_a_negative_number_are_not_looked_through(value: int, frame: str) -> None:
    assert read(rf"\boxed{{{frame.format(value)}}}", "boxed") != -value or frame == "-|{}|"
    assert read(f"x = {frame.format(value)}", "last") != -value or frame == "-|{}|"


@given(st.integers(0, 12), st.sampled_from(["10<sup>{}</sup>", "10<SUP>{}</SUP>", "10^{{{}}}"]))
def test_raised_text_is_a_power(power: int, written: str) -> None:
    assert read(f"It is {written.format(power)}.", "last") == 10**power


@given(
    VALUES,
    st.sampled_from(
        [
            "x &lt; {}",
            "x &gt; {}",
            "x &ge; {}",
            "x &#60; {}",
            "x &ne; {}",
            "&plusmn;{}",
            "&radic;{}",
            "x<sub>{}</sub>",
        ]
    ),
)
def test_escaped_signs_are_the_signs(value: int, written: str) -> None:
    assert read(written.format(value), "last") is None
    assert read(f"&minus;{value}", "last") == -value
    assert read(f"It is&nbsp;{value}&#46;", "last") == value


@pytest.mark.parametrize(
    "condition",
    [
        "If n is even, {}; if n is odd, {}.",
        "when x > 0: {}, when x < 0: {}",
        "if n is even, {}. Otherwise {}",
    ],
)
def test_neither_of_two_cases_is_the_answer(condition: str) -> None:
    text = condition.format(42, 43)
    first = text.index("42")
    assert other_answers(text[:first], text[first + 2 :]) == ("43",)
    assert other_answers(text[:first], " apples.") == ()
