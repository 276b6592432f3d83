"""bleu is sacrebleu's sentence BLEU over 100."""

from __future__ import annotations

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU

from graders.kinds.metrics import load_metric
from graders.kinds.metrics.bleu import tokenize_13a
from tests.strategies import any_str, text_pairs, texts

bleu = load_metric("bleu").score
ORACLE = BLEU(effective_order=True)

BY_HAND = [
    ("the cat sat on the mat", "the cat sat on the mat", 1.0),
    ("a", "a", 1.0),  # effective order: a text of one word has no bigrams to miss
    ("a", "b", 0.0),
    ("a b", "a c", 0.5),  # 1/2 and 0/1, the latter smoothed to 1/2: sqrt(1/4)
    ("a b c d", "a b c e", 0.125**0.25),  # 3/4, 2/3, 1/2, and 0/1 smoothed to 1/2
    ("a b c d", "a b c d e f g h", exp(-1)),  # all precisions 1, brevity penalty exp(1 - 8/4)
    (
        "a b c d e f g h",
        "a b c d",
        (4 / 8 * 3 / 7 * 2 / 6 * 1 / 5) ** 0.25,
    ),  # length is paid for in precision
    ("A b", "a b", 0.5),  # case is kept
    ("Hello, world!", "Hello , world !", 1.0),  # punctuation is a token of its own
    # ... but not within a number: 2/3, 1/2, 0/1 smoothed to 1/2, and 3 tokens for 7
    ("it costs 1,000.50", "it costs 1 , 000 . 50", (1 / 6) ** (1 / 3) * exp(-4 / 3)),
    ("&quot;x&quot; &lt;y&gt; &amp;", '" x " < y > &', 1.0),
    ("line-\nbreak", "linebreak", 1.0),
    ("a <skipped>b", "a b", 1.0),
]


@pytest.mark.parametrize(("candidate", "reference", "expected"), BY_HAND)
def test_it_gives_the_value_worked_out_by_hand(candidate: str, reference: str, expected: float) -> None:
    assert bleu(candidate, reference) == pytest.approx(expected, abs=1e-9)


@given(pair=text_pairs())
def test_it_equals_sacrebleu(pair: tuple[str, str]) -> None:
    candidate, reference = pair
    expected = ORACLE.sentence_score(candidate, [reference]).score / 100
    assert bleu(candidate, reference) == pytest.approx(expected, abs=1e-9)


PIECES = [
    "<skipped>",
    "-\n",
    "\n",
    "&quot;",
    "&amp;",
    "&lt;",
    "&gt;",
    "&amp;lt;",
    "3",
    ".",
    ",",
    "-",
    "'",
    "a",
    " ",
    "é",
]


@given(text=st.one_of(st.lists(st.sampled_from(PIECES)).map("".join), any_str()))
def test_its_tokens_are_those_of_sacrebleu(text: str) -> None:
    assert tokenize_13a(text) == ORACLE.tokenizer(text.rstrip())


@given(text=texts())
def test_a_text_is_identical_to_itself_and_never_more_than_that(text: str) -> None:
    assert bleu(text, text) == (
        pytest.approx(1.0, abs=1e-12) if ORACLE.tokenizer(text.rstrip()).split() else 0.0
    )
