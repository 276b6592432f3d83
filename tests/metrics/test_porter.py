"""The stemmer is NLTK's Porter stemmer in its default mode."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.stem.porter import PorterStemmer

from graders.kinds.metrics import wordnet
from graders.kinds.metrics.porter import stem
from tests.strategies import any_str, texts

nltk_stem = PorterStemmer().stem

# Porter (1980): the examples of each step, and what NLTK's extensions make of them at the end of all steps
PAPER = {
    "caresses": "caress",
    "ponies": "poni",
    "caress": "caress",
    "cats": "cat",
    "feed": "feed",
    "agreed": "agre",
    "plastered": "plaster",
    "bled": "bled",
    "motoring": "motor",
    "sing": "sing",
    "conflated": "conflat",
    "troubled": "troubl",
    "sized": "size",
    "hopping": "hop",
    "falling": "fall",
    "failing": "fail",
    "filing": "file",
    "relational": "relat",
    "conditional": "condit",
    "rational": "ration",
    "vietnamization": "vietnam",
    "triplicate": "triplic",
    "goodness": "good",
    "adoption": "adopt",
    "replacement": "replac",
    "probate": "probat",
    "rate": "rate",
    "cease": "ceas",
    "controlling": "control",
    "roll": "roll",
}
EXTENSIONS = {
    "skies": "sky",
    "dying": "die",
    "news": "news",
    "dies": "die",
    "flies": "fli",
    "died": "die",
    "spied": "spi",
    "enjoy": "enjoy",
    "fly": "fli",
    "by": "by",
    "nationally": "nation",
    "geology": "geolog",
    "logy": "logi",
    "archaeology": "archaeolog",
    "a*ding": "ad",
    "ating": "ate",
}


@pytest.mark.parametrize(("word", "expected"), (PAPER | EXTENSIONS).items())
def test_it_gives_the_published_stem(word: str, expected: str) -> None:
    assert stem(word) == expected


@pytest.mark.slow
def test_it_equals_nltk_on_every_word_of_wordnet() -> None:
    words = {lemma for part in wordnet.load().parts for lemma in (*part.synsets, *part.exceptions)}
    assert len(words) > 70_000
    assert [word for word in words if stem(word) != nltk_stem(word)] == []


ENDINGS = (  # noqa: SIM905 -- a list of 70 strings is 70 lines
    "ational tional enci anci izer bli alli entli eli ousli ization ation ator alism iveness fulness ousness aliti "
    "iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible ant ement ment ent "
    "ion sion tion ou ism ate iti ous ive ize e ll ed ing ied ies eed sses s ss y at bl iz *d yy"
).split()
BEGINNINGS = st.text("abdefghilmnorstuvwyz*é1", max_size=5)


@given(word=st.tuples(BEGINNINGS, st.lists(st.sampled_from(ENDINGS), max_size=3).map("".join)).map("".join))
def test_it_equals_nltk_on_invented_words_with_real_endings(word: str) -> None:
    assert stem(word) == nltk_stem(word)


@given(text=st.one_of(texts(), any_str()))
def test_it_equals_nltk_on_any_text_in_lower_case(text: str) -> None:
    assert stem(text.lower()) == nltk_stem(text.lower())
