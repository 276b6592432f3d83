"""gleu is NLTK's sentence_gleu on tokens split at white space."""

from __future__ import annotations

import pytest
from hypothesis import given
from nltk.translate.gleu_score import sentence_gleu

from graders.kinds.metrics import load_metric
from tests.strategies import text_pairs, texts

gleu = load_metric("gleu").score

REFERENCE = "there hangs one lantern over water with sailors with some cargo can safely find Dusk harbour"
PUBLISHED = [
    # NLTK's documentation: 0.0909, 0.4393 and 0.1206, for sentences in which the same words are repeated and shared
    ("some some some some some some some", "some bird hangs over some door", 2 / 22),
    (
        "there hangs one lantern over water so sailors with some cargo quickly reach some harbour before some dusk",
        REFERENCE,
        29 / 66,
    ),
    (
        "there hangs over carry some crew safely seeing some evening beacon with dusk alone",
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
