"""meteor is NLTK's single_meteor_score with WordNet 3.0."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.kinds.metrics import load_metric
from tests.metrics.oracles import DATABASE, WHY_SKIPPED, nltk_meteor, nltk_wordnet
from tests.strategies import any_str, text_pairs, texts

meteor = load_metric("meteor").score
FIXTURE = json.loads((Path(__file__).parent / "meteor_nltk_values.json").read_text("utf-8"))
needs_database = pytest.mark.skipif(not DATABASE.is_dir(), reason=WHY_SKIPPED)

PUBLISHED = [
    # NLTK's documentation: 0.6944, for sentences in which the same words are repeated and shared
    (
        "There hangs one lantern over water so sailors with some cargo quickly reach some harbour before some dusk",
        "There hangs one lantern over water with sailors with some cargo can safely find Dusk harbour",
        0.6944444444444445,
    ),
    ("nothing in common", "this is a cat", 0.0),
    # Wikipedia's three examples: 0.5, 0.9977 and 0.9654
    ("on the mat sat the cat", "the cat sat on the mat", 0.5),
    ("the cat sat on the mat", "the cat sat on the mat", 1 - 0.5 / 6**3),
    ("the cat was sat on the mat", "the cat sat on the mat", (1 - 0.5 * (2 / 6) ** 3) * 60 / 61),
    # by hand
    ("cat", "cat", 0.5),
    ("Cats", "cat", 0.5),  # by stem
    ("auto", "car", 0.5),  # by synonym
    ("automobile", "car", 0.0),  # not so: WordNet is asked for the stem, "automobil"
    ("oxen", "ox", 0.5),  # by an irregular form
    ("cat cat", "cat", 5 / 11),  # precision 1/2, recall 1: F 10/11, one chunk of one match
]


@pytest.mark.parametrize(("candidate", "reference", "expected"), PUBLISHED)
def test_it_gives_the_published_value(candidate: str, reference: str, expected: float) -> None:
    assert meteor(candidate, reference) == pytest.approx(expected, abs=1e-12)


def test_it_equals_nltk_on_the_recorded_pairs() -> None:
    rows = FIXTURE["rows"]
    assert len(rows) == 303
    assert [row for row in rows if abs(meteor(row[0], row[1]) - row[2]) > 1e-9] == []


@given(text=texts())
def test_a_text_of_n_words_scores_one_less_half_over_n_cubed_against_itself(text: str) -> None:
    words = len(text.split())
    assert meteor(text, text) == (pytest.approx(1 - 0.5 / words**3, abs=1e-12) if words else 0.0)


@given(word=st.text("abcdefgy", min_size=33, max_size=80))
def test_words_too_long_to_be_remembered_are_matched_all_the_same(word: str) -> None:
    assert meteor(f"the {word}s", f"cat {word}") == pytest.approx(0.25, abs=1e-12)


@pytest.fixture(scope="module")
def nltk() -> Callable[[str, str], float]:
    return nltk_meteor(nltk_wordnet())


@pytest.mark.full
@pytest.mark.slow  # to read WordNet by NLTK takes longer than all other tests of metrics; the recorded pairs are of every kind
@needs_database
@given(pair=st.one_of(text_pairs(), st.tuples(any_str(), any_str())))
@settings(max_examples=400, deadline=None)
def test_it_equals_nltk(nltk: Callable[[str, str], float], pair: tuple[str, str]) -> None:
    assert meteor(*pair) == pytest.approx(nltk(*pair), abs=1e-9)
