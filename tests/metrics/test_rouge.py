"""rouge_1 to rouge_5 and rouge_l are the F-measures of rouge-score 0.1.2."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from rouge_score.rouge_scorer import RougeScorer

from graders.kinds.metrics import load_metric
from tests.strategies import any_str, text_pairs, texts

TYPES = {f"rouge_{order}": f"rouge{order}" for order in range(1, 6)} | {"rouge_l": "rougeL"}
ORACLE = RougeScorer([*TYPES.values()])

CAT = ("One small grey cat sleeps on one box.", "One small grey hen sleeps under one warm cat")
ROSES = "gardeners watered the roses"
PUBLISHED = [
    # rouge-score's README, in other words: precision 6/8, recall 6/9; longest common subsequence 5 of 8 and 9
    ("rouge_1", *CAT, 12 / 17),
    ("rouge_2", *CAT, 4 / 15),
    ("rouge_l", *CAT, 10 / 17),
    # Lin (2004), section 3.1, in other words
    ("rouge_l", "gardeners water the roses", ROSES, 3 / 4),
    ("rouge_l", "the roses water gardeners", ROSES, 1 / 2),
    ("rouge_2", "gardeners water the roses", ROSES, 1 / 3),
    ("rouge_2", "the roses water gardeners", ROSES, 1 / 3),
    # by hand
    ("rouge_3", "a b c d", "a b c e", 1 / 2),
    ("rouge_4", "a b c d e", "a b c d f", 1 / 2),
    ("rouge_5", "a b c d e f", "a b c d e g", 1 / 2),
    ("rouge_5", "a b c d", "a b c d", 0.0),
    ("rouge_1", "a a a", "a", 1 / 2),
    ("rouge_1", "Don't", "don t", 1.0),
    ("rouge_1", "кошка 猫", "кошка 猫", 0.0),
]


@pytest.mark.parametrize(("name", "candidate", "reference", "expected"), PUBLISHED)
def test_it_gives_the_published_value(name: str, candidate: str, reference: str, expected: float) -> None:
    assert load_metric(name).score(candidate, reference) == pytest.approx(expected, abs=1e-12)


@given(pair=text_pairs())
def test_it_equals_rouge_score(pair: tuple[str, str]) -> None:
    candidate, reference = pair
    expected = ORACLE.score(target=reference, prediction=candidate)
    for name, rouge_type in TYPES.items():
        assert load_metric(name).score(candidate, reference) == pytest.approx(
            expected[rouge_type].fmeasure, abs=1e-9
        )


@given(candidate=any_str(), reference=any_str())
def test_it_equals_rouge_score_on_lone_surrogates_and_nuls(candidate: str, reference: str) -> None:
    expected = ORACLE.score(target=reference, prediction=candidate)
    for name, rouge_type in TYPES.items():
        assert load_metric(name).score(candidate, reference) == pytest.approx(
            expected[rouge_type].fmeasure, abs=1e-9
        )


@pytest.mark.parametrize("name", TYPES)
@given(text=texts())
def test_a_text_with_enough_words_is_identical_to_itself(name: str, text: str) -> None:
    needed = 1 if name == "rouge_l" else int(name.removeprefix("rouge_"))
    words = re.findall("[a-z0-9]+", text.lower())
    assert load_metric(name).score(text, text) == (1.0 if len(words) >= needed else 0.0)
