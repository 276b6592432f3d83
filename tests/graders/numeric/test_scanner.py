"""Numbers are read rightly, or not at all."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.kinds.numeric.forms import MAX_DIGITS, NumberError
from graders.kinds.numeric.scanner import (
    Number,
    UnreadableNumber,
    find_numbers,
    last_number,
    parse_number,
    scan,
)
from tests.strategies import any_str, integers_as_text, number_lookalikes, texts

READ = [
    ("42", 42, "integer"),
    ("-5", -5, "integer"),
    ("−5", -5, "integer"),
    ("–5", -5, "integer"),
    ("\uff0d5", -5, "integer"),
    ("+5", 5, "integer"),
    ("3.50", "7/2", "decimal"),
    (".5", "1/2", "decimal"),
    ("-.5", "-1/2", "decimal"),
    ("1,234,567", 1234567, "thousands"),
    ("1,234.5", "2469/2", "thousands"),
    ("12,34,567", 1234567, "thousands"),
    ("1'000", 1000, "thousands"),
    ("1’000", 1000, "thousands"),
    ("1_000", 1000, "thousands"),
    ("1\u202f234", 1234, "thousands"),
    ("1{,}000", 1000, "thousands"),
    (r"1,\!000", 1000, "thousands"),
    (r"1\,000", 1000, "thousands"),
    ("50%", "1/2", "integer+percent"),
    ("12.5 percent", "1/8", "decimal+percent"),
    (r"50\%", "1/2", "integer+percent"),
    ("$1,234.50", "2469/2", "currency+thousands"),
    ("-$5", -5, "currency+integer"),
    ("$-5", -5, "currency+integer"),
    ("US$5", 5, "currency+integer"),
    (r"\$5", 5, "currency+integer"),
    ("5 €", 5, "currency+integer"),
    ("₹12,34,567", 1234567, "currency+thousands"),
    ("USD 5", 5, "currency+integer"),
    ("5 EUR", 5, "currency+integer"),
    ("$5$", 5, "integer"),
    ("1.5e3", 1500, "decimal+scientific"),
    ("2E-2", "1/50", "scientific"),
    ("1.5×10^3", 1500, "decimal+scientific"),
    ("3 x 10^{8}", 300000000, "scientific"),
    (r"3 \times 10^{-2}", "3/100", "scientific"),
    ("2*10**3", 2000, "scientific"),
    ("10³", 1000, "scientific"),
    ("10⁻³", "1/1000", "scientific"),
    ("3/4", "3/4", "fraction"),
    ("½", "1/2", "fraction"),
    ("-½", "-1/2", "fraction"),
    (r"\frac{3}{4}", "3/4", "fraction"),
    (r"-\dfrac{3}{4}", "-3/4", "fraction"),
    (r"\frac{-3}{4}", "-3/4", "fraction"),
    (r"\tfrac34", "3/4", "fraction"),
    ("1 3/4", "7/4", "mixed"),
    ("2⅓", "7/3", "mixed"),
    (r"1\frac{3}{4}", "7/4", "mixed"),
    (r"1\frac34", "7/4", "mixed"),
    ("1.5 million", 1500000, "decimal+magnitude"),
    ("½ million", 500000, "fraction+magnitude"),
    ("2 crore", 20000000, "integer+magnitude"),
    ("５０", 50, "integer"),
    ("٤٢", 42, "integer"),
    ("007", 7, "integer"),
    ("4\u200b2", 42, "integer"),
]

ONE_IN_PROSE = [
    ("The answer is 42.", 42),
    ("72!!!", 72),
    ("**Answer:** 42", 42),
    ("**42**", 42),
    ("* 42 apples", 42),
    ("_42_", 42),
    ("“42”", 42),
    ("x=5", 5),
    ("x_2 = 4", 4),
    ("x₂ = 4", 4),
    ("x^2 is 4", 4),
    ("x^{2} is 4", 4),
    ("H2O 5", 5),
    ("GPT-4 says 7", 7),
    ("on the 2nd day, 12", 12),
    ("v1.2.3 costs 9", 9),
    ("at 10:30 on 2024-01-05 or 1/5/2024: 6", 6),
    ("5kg", 5),
    ("20m2", 20),
    ("20 m^2", 20),
    (r"5\text{ cm}", 5),
    (r"90^\circ", 90),
    ("60 km/h", 60),
    ("$9.99/kg", "999/100"),
    ("5-year", 5),
    ("Total — 42", 42),
    ("total—42", 42),
    ("<answer>42</answer>", 42),
    ("<b>5</b>", 5),
    ("a -> 5", 5),
    ("(5)", 5),
    ("No.5", 5),
    ("答案是42。", 42),
    ("\ud800 5", 5),
    ("= / 5", 5),
    ("3 cm (a)", 3),
    ("42 - the answer", 42),
    ("*42* and", 42),
    ("5 ", 5),
    (" " * 70 + "5", 5),
    (r"\left(5\right)", 5),
    ("the answer is -3", -3),
    ("** 5", 5),
    ("5 kg m^{-2}", 5),
    ("Total — -5", -5),
    ("*-5*", -5),
    ("3.", 3),
]

UNREADABLE = [
    "1,5", "12,34", "0,123", "1.234,56", "1.234.567", "1 234", "10-12", "10–12", "5-3", "555-1234", "1-1/2", "5k", "5 M",
    "5 dozen", "£1.5m", "1,000/2", "2x", "2 x", "2n", r"2\pi", "2π", "2θ", r"\sqrt{2}", "x + 2", "5 - 3", "5 -3", "x -3",
    "(x) -3", "- 5", "+ 5", "> 5", "x > 5", "x < 5", "5 < x", "5 > 3", "≥5", "±5", "2³", "2^3", "2**3", "2 ** 3", "2*3",
    "2 * x", "5/x", "(-10)^2", "3(4)", "5万", "3x4", "20m2b", "5cm(2)", "-+5", "--5", "½½", "-$-5", "1e999", "1e-999",
    "1e99999", "0e99999", "nan", "NaN", "-inf", "Infinity", "∞", r"\infty", "1/0", "3 5/4", "1/2e5", "2e3^2",
    "9" * (MAX_DIGITS + 1), "9" * MAX_DIGITS, "1/" + "9" * MAX_DIGITS, "(x)2", "5^x", "5_a", "2 10^3x", "3 × (2+1)",
    "10^(3)e", "5²", r"42\blacksquare", "x/5", "-5%-3", "2 * -1", "3 × -1", "x > -5", "2*-1", "0x1F",
]  # fmt: skip


@pytest.mark.parametrize(("text", "value", "form"), READ)
def test_reads_every_documented_form_and_says_which(text: str, value: str | int, form: str) -> None:
    number = parse_number(text)
    assert (number.exact, number.form) == (Fraction(value), form)
    assert number.value == float(Fraction(value))


@pytest.mark.parametrize(("text", "value"), ONE_IN_PROSE)
def test_finds_the_one_number_in_prose(text: str, value: str | int) -> None:
    assert [number.exact for number in find_numbers(text)] == [Fraction(value)]


@pytest.mark.parametrize("text", UNREADABLE)
def test_never_guesses(text: str) -> None:
    found = list(scan(text))
    assert any(isinstance(number, UnreadableNumber) for number in found), found
    with pytest.raises(NumberError):
        parse_number(text)


@pytest.mark.parametrize(
    "text", ["", "apples", "3 4", "12 apples", "x2", "1.2.3", "10:30", "2nd", "7" * 2000]
)
def test_one_number_is_not_none_nor_two_nor_a_sentence(text: str) -> None:
    with pytest.raises(NumberError):
        parse_number(text)


@pytest.mark.parametrize("text", ["1..5", "1...5", "1…5", "1~5", "1 ~ 5", "1|5", "1 || 5"])
def test_neither_end_of_a_range_is_a_number(text: str) -> None:
    assert [number.text for number in scan(text) if isinstance(number, UnreadableNumber)] == ["1", "5"]


def test_calculator_annotations_hold_readable_numbers() -> None:
    assert [number.value for number in find_numbers("48/2 = <<48/2=24>>24 clips")] == [24, 24, 24, 24]


def test_percent_can_be_read_as_the_number_before_the_sign() -> None:
    assert parse_number("50%", percent="number").exact == 50


def test_integers_past_the_float_grid_stay_apart() -> None:
    assert parse_number("9007199254740993").exact != parse_number("9007199254740992").exact


def test_what_is_shown_is_short_and_readable() -> None:
    assert next(scan("10–12")) == UnreadableNumber("10–12", "ambiguous: it can be read in more than one way")
    assert len(next(scan("9" * 5000)).text) == 60


@given(integers_as_text())
def test_a_whole_number_survives_every_way_of_writing_it(case: tuple[str, int]) -> None:
    text, value = case
    assert parse_number(text).exact == value
    assert [number.exact for number in find_numbers(f"It is {text} now.")] == [value]


@given(
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: value == 0 or abs(value) > 1e-300)
)
def test_a_float_survives_its_own_notation(value: float) -> None:
    assert parse_number(repr(value)).value == value


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_fractions_and_mixed_numbers_survive_theirs(whole: int, one: int, other: int) -> None:
    assert parse_number(f"{one}/{other}").exact == Fraction(one, other)
    assert parse_number(rf"\frac{{{one}}}{{{other}}}").exact == Fraction(one, other)
    if one < other:
        assert parse_number(f"{whole} {one}/{other}").exact == whole + Fraction(one, other)


@given(texts() | any_str() | number_lookalikes())
def test_any_text_is_read_without_an_error_and_only_finite_numbers_come_of_it(text: str) -> None:
    found = list(scan(text))
    assert all(math.isfinite(number.value) for number in found if isinstance(number, Number))
    assert last_number(text) == (found[-1] if found else None)


@settings(deadline=None)  # long texts, scanned in full for comparison
@given(
    st.lists(number_lookalikes(8) | st.sampled_from(["x2 ", "no number here "]), max_size=5),
    st.integers(0, 3),
)
def test_the_last_number_of_a_long_text_is_the_last_one_of_a_full_scan(
    parts: list[str], filling: int
) -> None:
    text = "\nThen 7 and x1 follow. ".join(parts) + "word x2 " * (200 * filling)
    found = list(scan(text))
    assert last_number(text) == (found[-1] if found else None)


@pytest.mark.few(4)
@pytest.mark.parametrize("piece", ["7", "1,", "1/", "$", "-", "\\boxed{", "½", "1e"])
def test_hostile_repetition_is_read_in_linear_time_and_earns_nothing(piece: str) -> None:
    text = piece * (200_000 if len(piece) == 1 and piece != "½" else 20_000)
    assert not isinstance(last_number(text), Number)
    with pytest.raises(NumberError):
        parse_number(text)
