"""gleu is NLTK's sentence_gleu on tokens split at white space."""

from __future__ import annotations

import pytest
from hypothesis import given
from nltk.translate.gleu_score import sentence_gleu

from graders.metrics import load_metric
from tests.strategies import text_pairs, texts

gleu = load_metric("gleu").score

REFERENCE = "It is a guide to action that ensures that the military will forever heed Party commands"
PUBLISHED = [
    # NLTK's documentation: 0.0909, 0.4393 and 0.1206
    ("the the the the the the the", "the cat is on the mat", 2 / 22),
    (
        "It is a guide to action which ensures that the military always obeys the commands of the party",
        REFERENCE,
        29 / 66,
    ),
    (
        "It is to insure the troops forever hearing the activity guidebook that party direct",
        REFERENCE,
        7 / 58,
    ),
    # by hand
    ("a b", "a c", 1 / 3),
    ("a b c d e", "a b c d e", 1.0),
    ("a", "a b c d", 1 / 10),
    ("A", "a", 0.0),
    ("a,", "a", 0.0),
]


@pytest.mark.parametrize(("candidate", "reference", "expected"), PUBLISHED)
def test_it_gives_the_published_value(candidate: str, reference: str, expected: float) -> None:
    assert gleu(candidate, reference) == pytest.approx(expected, abs=1e-12)


@given(pair=text_pairs())
def test_it_equals_nltk(pair: tuple[str, str]) -> None:
    candidate, reference = pair
    expected = sentence_gleu([reference.split()], candidate.split())
    assert gleu(candidate, reference) == pytest.approx(expected, abs=1e-9)


@given(text=texts())
def test_a_text_with_a_token_is_identical_to_itself(text: str) -> None:
    assert gleu(text, text) == (1.0 if text.split() else 0.0)


@given(pair=text_pairs())
def test_it_is_symmetric(pair: tuple[str, str]) -> None:
    assert gleu(*pair) == gleu(*reversed(pair))
