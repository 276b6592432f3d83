"""Hundreds of phrases with the number they state, or none: what words, forms, places and contradictions make of it.

The tables lie beside this file, in `phrases/`. Two published extractors read the same phrases: lm-evaluation-harness's
`flexible-extract` filter of GSM8K (the last match of its regular expression) and verl's GSM8K reward in its flexible mode.
Both are written here from their published definitions.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from graders.kinds.numeric.extraction import Extract, read_number
from graders.kinds.numeric.forms import NumberError
from tests.strategies import integers_as_text

KINDS = (
    "words", "forms", "places", "ordinary", "expressions", "changes", "withdrawn", "latex", "equations", "notations", "several", "questions", "mentions",
)  # fmt: skip
PLACES: dict[str, Any] = {"after": {"after": "Answer:"}, "hash": {"after": "####"}}


@dataclass(frozen=True)
class Phrase:
    place: str
    value: Fraction | None
    text: str


@cache
def table(kind: str) -> list[Phrase]:
    path = Path(__file__).parent / "phrases" / f"{kind}.yaml"
    return [
        Phrase(place, None if value is None else Fraction(str(value)), text)
        for place, value, text in YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    ]


def phrases(*kinds: str) -> list[Phrase]:
    return [phrase for kind in kinds for phrase in table(kind)]


def ours(phrase: Phrase) -> Fraction | None:
    return read(phrase.text, PLACES.get(phrase.place, phrase.place))


def read(text: str, place: Any) -> Fraction | None:
    try:
        return read_number(text, Extract.model_validate(place)).exact
    except NumberError:
        return None


def lm_evaluation_harness(phrase: Phrase) -> Fraction | None:
    found = [one or other for one, other in re.findall(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", phrase.text, re.ASCII)]
    return as_number(re.sub(r",|\$|\.$", "", found[-1])) if found else None


def verl(phrase: Phrase) -> Fraction | None:
    found = [text for text in re.findall(r"(\-?[0-9\.\,]+)", phrase.text) if text not in ("", ".")]
    return as_number(found[-1].replace(",", "").removesuffix(".")) if found else None


def as_number(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except ValueError:
        return None


def mistakes(rows: list[Phrase], extract: Callable[[Phrase], Fraction | None]) -> tuple[list[str], list[str]]:
    """The false positives (another number than the right one) and the false negatives (no number where there is one)."""
    positives, negatives = [], []
    for row in rows:
        found = extract(row)
        if found is None and row.value is not None:
            negatives.append(f"{row.place} {row.text!r}: nothing, not {row.value}")
        elif found is not None and found != row.value:
            positives.append(f"{row.place} {row.text!r}: {found}, not {row.value}")
    return positives, negatives


@pytest.mark.parametrize("kind", KINDS)
def test_every_phrase_gives_its_number_or_none(kind: str) -> None:
    positives, negatives = mistakes(phrases(kind), ours)
    assert not positives, "\n".join(positives)
    assert not negatives, "\n".join(negatives)


def test_two_other_extractors_reward_wrong_numbers_on_the_same_phrases() -> None:
    rows = phrases(*KINDS)
    assert len(rows) >= 300
    counts = {
        extract.__name__: tuple(map(len, mistakes(rows, extract)))
        for extract in (ours, lm_evaluation_harness, verl)
    }
    for name, (positives, negatives) in counts.items():
        print(f"{name}: {positives} false positives and {negatives} false negatives in {len(rows)} phrases")  # noqa: T201  # shown by pytest -s
    assert counts["ours"] == (0, 0)
    assert min(counts["lm_evaluation_harness"][0], counts["verl"][0]) > 200


FRAMES = (
    "{}", "The answer is {}.", "The answer is therefore {} apples.", "x = {}", "about {}", "It is {} km.", "**{}**",
    "<|begin_of_box|>{}<|end_of_box|>", "[ANSWER]{}[/ANSWER]", "The result:\n\n> {}", "So we get {}, as required.",
    "<answer>{}</answer>", "Wait, not 7. It is {}.", "exactly {} of them",
)  # fmt: skip
CHANGED = (
    "not {}", "at least {}", "at most {}", "less than {}", "no more than {}", "half of {}", "twice {}", "the square root of {}",
    "sin({})", "{} squared", "{} factorial", "{} or more", "{} and up", "{} plus", "{} minus", "2 times {}", "anything but {}",
    "{} and a half", "the opposite of {}", "x + {}", "x minus {}", "x >= {}", "x != {}", "almost {}", "7 or {}", "2 over {}",
    "{} is wrong",
)  # fmt: skip
EXPRESSIONS = (
    r"\frac{{\sqrt{{3}}}}{{{}}}", r"\dfrac{{x+1}}{{{}}}", r"\frac x{{{}}}", r"\sqrt[3]{{{}}}", r"\binom{{{}}}{{2}}", r"\binom{{9}}{{{}}}",
    r"\overline{{{}}}", r"\cancel{{{}}}", r"\unknown{{{}}}", r"\unknown{{x}}{{{}}}", r"\ln|{}|", r"\max(3, {})", r"\gcd({}, 7)",
    r"\left|{}\right|^2", r"\left({}\right)!", r"\lim_{{x \to {}}} f(x)", r"\sum_{{k=1}}^{{{}}} k", r"\log_{{{}}} 8", r"{}^{{0.5}}",
    r"{}_{{\text{{two}}}}", "({})_2", "({})^n", "({})!", "{}ⁿ", "½{}", "max(3, {})", "f({}, 7)", "(3, {})", "({}, 3)", "(0, {}]",
    "(-∞, {}]", "{}~7", "7 ~ {}", "7...{}", "{}…7", "7|{}", "7 and/or {}", "7 feet {} inches", "{} hours 7 minutes", "7°{}'",
    "{} R 7", "7**{}**3", "<del>{}</del>", "~~{}~~", "0.{}1...", "twenty {}",
)  # fmt: skip
NEUTRAL_WORDS = st.lists(
    st.sampled_from(["the", "answer", "we get", "is", "therefore", "students", "cost", "total", "in all"]),
    max_size=6,
)


@given(integers_as_text(), st.sampled_from(FRAMES))
def test_any_form_in_a_neutral_frame_is_read(case: tuple[str, int], frame: str) -> None:
    text, value = case
    assert read(frame.format(text), "last") == value


@given(integers_as_text(), st.sampled_from(CHANGED), NEUTRAL_WORDS)
def test_any_form_beside_a_word_that_changes_it_is_no_answer(
    case: tuple[str, int], frame: str, words: list[str]
) -> None:
    text, _ = case
    if frame == "7 or {}" and case[1] == 7:
        return
    stated = frame.format(text)
    assert read(f"{' '.join(words)}: {stated}", "last") is None
    assert read(f"Answer: {stated}", {"after": "Answer:"}) is None
    assert read(rf"\boxed{{{stated}}}", "boxed") is None


@given(
    st.integers(10, 99),
    st.sampled_from(EXPRESSIONS),
    st.sampled_from(["{}", "${}$", "The answer is {}", "x = {}."]),
)
def test_no_piece_of_an_expression_is_an_answer(value: int, expression: str, frame: str) -> None:
    stated = frame.format(expression.format(value))
    assert read(stated, "last") is None
    assert read(stated, "first") is None
    assert read(stated, "whole") is None
    assert read(f"Answer: {stated}", {"after": "Answer:"}) is None
    assert read(rf"\boxed{{{expression.format(value)}}}", "boxed") is None


@given(
    st.integers(0, 999),
    st.sampled_from(
        ["<|endoftext|>", "<|im_end|>", "<|eot_id|>", "</s>", "<eos>", "<end_of_turn>", "<|end|>"]
    ),
    st.sampled_from(["43", " Answer: 43", r"\n\boxed{43}", "No, that is wrong.", ".\n#### 43", "<think>43"]),
)
def test_what_follows_an_end_of_text_token_is_not_read(value: int, token: str, rest: str) -> None:
    assert read(f"{value}{token}{rest}", "last") == value
    assert read(f"{value}{token}{rest}", "first") == value
    assert read(f"{value}{token}{rest}", "whole") == value
    assert read(f"Answer: {value}{token}{rest}", {"after": "Answer:"}) == value
    assert read(rf"\boxed{{{value}}}{token}{rest}", "boxed") == value
    assert read(f"So.\n#### {value}{token}{rest}", {"after": "####"}) == value


@given(st.integers(0, 10**9), st.sampled_from(["minus", "negative", "Negative", "**minus**"]), NEUTRAL_WORDS)
def test_a_sign_word_makes_the_number_negative(value: int, sign: str, words: list[str]) -> None:
    assert read(f"{' '.join(words)}: {sign} {value}", "last") == -value
    assert read(rf"\boxed{{\text{{{sign} }}{value}}}", "boxed") == -value


@given(st.integers(0, 99), st.integers(0, 99), st.sampled_from(["{} or {}", r"\boxed{{{}}} or \boxed{{{}}}"]))
def test_two_candidates_are_an_answer_only_where_they_are_equal(one: int, other: int, frame: str) -> None:
    mode = "boxed" if "boxed" in frame else "last"
    assert read(frame.format(one, other), mode) == (one if one == other else None)


@given(st.integers(0, 99), st.integers(0, 99))
def test_markers_must_agree(one: int, other: int) -> None:
    text = f"#### {one}\nSo:\n#### {other}"
    assert read(text, PLACES["hash"]) == (one if one == other else None)


@pytest.mark.few(80)
@pytest.mark.parametrize(
    "piece",
    ["not ", "minus ", "or ", "7 or ", "####", "####\n", "#### 7\n", r"\boxed{7}", r"\boxed 7 ", r"\boxed ", "<a", "[a",
     "- \n", "> ", "= ", "7 = ", "no, ", "wait ", "is not ", "(", "-(", "!", "~", "$$\n", "```\n", "\\[\n", r"\frac7{",
     r"\SI{7}{", r"\frac{", r"\max(", r"\max|", r"\foo[", "_{", "^{x}", "f(", "(7, ", "7|", "<del>", "<s>", "</s>", "<|endoftext|>", "~~", "Answer:\n- 7\n", "\\begin{a}\n"],
)  # fmt: skip
@pytest.mark.parametrize("place", ["last", "first", "whole", "boxed", "after", "hash"])
def test_hostile_repetition_is_read_and_gives_a_number_or_none(piece: str, place: str) -> None:
    read(piece * 2_000, PLACES.get(place, place))
