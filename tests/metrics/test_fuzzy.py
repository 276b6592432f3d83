"""fuzzy_match is RapidFuzz's WRatio on processed text."""

from __future__ import annotations

import pytest
from hypothesis import given
from rapidfuzz import fuzz, utils

from graders.kinds.metrics import load_metric
from tests.strategies import text_pairs, texts

fuzzy_match = load_metric("fuzzy_match").score

PUBLISHED = [
    # the example of OpenAI's grader guide
    ("fuzzy wuzzy had no hair", "fuzzy wuzzy was a bear", 0.7555555555555555),
    # RapidFuzz's README
    ("this is a word", "THIS IS A WORD", 1.0),
    ("this is a test", "this is a new test!!!", 0.95),  # token_set_ratio 100 weighs 0.95
    ("this is a test", "this is a test!", 1.0),  # the README's 96.55 is without the processor
    ("fuzzy wuzzy was a bear", "wuzzy fuzzy was a bear", 0.95),
    # by hand: where the lengths differ by more than 1.5, a part that fits weighs 0.9
    ("b", "abcd", 0.9),
    ("!?", "!?", 0.0),  # nothing is left after processing
]


@pytest.mark.parametrize(("candidate", "reference", "expected"), PUBLISHED)
def test_it_gives_the_published_value(candidate: str, reference: str, expected: float) -> None:
    assert fuzzy_match(candidate, reference) == pytest.approx(expected, abs=1e-12)


def test_the_published_example_is_exact_to_the_last_digit() -> None:
    assert fuzzy_match("fuzzy wuzzy had no hair", "fuzzy wuzzy was a bear") == 0.7555555555555555


@given(pair=text_pairs())
def test_it_equals_wratio_of_the_texts_processed_beforehand(pair: tuple[str, str]) -> None:
    candidate, reference = map(utils.default_process, pair)
    assert fuzzy_match(*pair) == pytest.approx(fuzz.WRatio(candidate, reference) / 100, abs=1e-9)


@given(text=texts())
def test_a_text_with_a_letter_or_digit_is_identical_to_itself(text: str) -> None:
    assert fuzzy_match(text, text) == (1.0 if utils.default_process(text) else 0.0)
